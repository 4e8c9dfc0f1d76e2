"""One module for each command of `meshctl`, imported only when the command is used."""
