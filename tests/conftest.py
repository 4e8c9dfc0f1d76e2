"""For all tests: Hypothesis measures nothing in time, since a busy machine is no fault of ours."""

from hypothesis import settings

settings.register_profile("meshnode", deadline=None, print_blob=True)
settings.load_profile("meshnode")
