import subprocess
import sys

from sim.dice import Dice, Entropy


def test_a_die_depends_on_seed_concern_and_owner_alone() -> None:
    dice = Dice(7)
    assert dice.die("loss", "n1").random() == Dice("7").die("loss", "n1").random()
    others = {
        Dice(8).die("loss", "n1").random(),
        dice.die("delay", "n1").random(),
        dice.die("loss", "n2").random(),
        dice.die("loss", "n1").random(),
    }
    assert len(others) == 4


def test_what_a_node_is_handed_is_its_own() -> None:
    dice = Dice(7)
    assert dice.of("n1")("backoff").random() == dice.die("backoff", "n1").random()


def test_entropy_gives_any_number_of_bytes_and_never_the_same_again() -> None:
    entropy = Dice(1).entropy("n1")
    seen = [entropy(size) for size in (32, 32, 1, 64, 65, 200)]
    assert [len(each) for each in seen] == [32, 32, 1, 64, 65, 200]
    assert len(set(seen)) == len(seen)
    assert entropy(0) == b""


def test_entropy_is_the_same_in_every_process() -> None:
    code = "from sim.dice import Dice; print(Dice('x').entropy('n')(16).hex())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == Dice("x").entropy("n")(16).hex()


def test_entropy_is_small() -> None:
    assert not hasattr(Entropy(b"key"), "__dict__")
