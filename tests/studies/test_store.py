"""What a study keeps survives damage, other processes and other machines."""

from __future__ import annotations

import csv
import io
import math
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from tests.studies.doubles import result, trial
from tests.support import blobs
from tfq_llm.data import EmbeddingDataset
from tfq_llm.errors import InputError
from tfq_llm.studies.store import Store
from tfq_llm.studies.versions import as_text, differences, from_text, versions


@pytest.fixture(params=["directory", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a new store, in a directory with an awkward name or behind fsspec."""
    monkeypatch.setenv("TFQ_LLM_CACHE", str(tmp_path / "cache"))
    return str(tmp_path / "a [study]*") if request.param == "directory" else f"memory://{uuid.uuid4().hex}/study"


def break_file(url: str, path: str, data: bytes) -> None:
    """Writes behind the store's back."""
    Store(url)._place.write(path, data)


def test_results_come_back_in_this_store_and_in_another_one(url: str) -> None:
    store = Store(url)
    assert store.results() == {}
    kept = [result(trial(number, scored_on="test" if number else "validation")) for number in range(3)]
    for each in kept:
        store.keep(each)
    for reader in (store, Store(url)):
        assert reader.results() == {each.trial.name: each for each in sorted(kept, key=lambda each: each.trial.name)}
        assert reader.result(kept[1].trial) == kept[1]
        assert reader.result(trial(9)) is None
    assert kept[1].predicted().sum() == kept[1].correct


def test_another_process_results_are_seen_and_only_new_files_are_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = Store(url), Store(url)
    other.keep(result(trial(0)))
    assert set(store.results()) == {trial(0).name}
    other.keep(result(trial(1)))
    asked: list[str] = []
    read_many = store._place.read_many
    monkeypatch.setattr(store._place, "read_many", lambda paths: read_many(asked.extend(each := list(paths)) or each))
    assert set(store.results()) == {trial(0).name, trial(1).name}
    assert asked == [f"trials/{trial(1).name}.json"]


def test_who_follows_a_study_asks_for_nothing_that_it_was_not_told_of(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(url)
    Store(url).keep(result(trial(0)))
    store.follow()
    monkeypatch.setattr(store._place, "read_many", lambda paths: {path: pytest.fail(path) for path in paths})
    assert set(store.found([trial(0), trial(1)])) == {trial(0).name}
    store.note(result(trial(1)))
    assert set(store.found([trial(0), trial(1)])) == {trial(0).name, trial(1).name}


@pytest.mark.parametrize("damage", [b"", b'{"trial": {"data"', b"\x00\xff\x00", b"[]", None])
def test_a_damaged_result_counts_as_absent_and_is_replaced(url: str, damage: bytes | None) -> None:
    good, other = result(trial(0)), result(trial(1))
    Store(url).keep(good)
    Store(url).keep(other)
    whole = Store(url)._place.read(f"trials/{other.trial.name}.json") or b""
    # None: the file is good, but of another trial.
    break_file(url, f"trials/{good.trial.name}.json", whole if damage is None else damage)
    store = Store(url)
    assert set(store.results()) == {other.trial.name}
    assert store.result(good.trial) is None
    store.keep(good)
    assert Store(url).result(good.trial) == good


def test_failures_are_kept_until_the_trial_succeeds(url: str) -> None:
    store = Store(url)
    place = store.keep_failure(trial(0), "Traceback\nValueError: é")
    assert place.endswith(f"failures/{trial(0).name}.txt")
    assert Store(url).failures() == {trial(0).name}
    assert store.failure(trial(0)) == "Traceback\nValueError: é"
    store.forget_failure(trial(0))
    store.forget_failure(trial(0))
    assert store.failures() == set()


def test_test_rows_of_a_split_belong_to_the_first_trial(url: str) -> None:
    store = Store(url)
    store.claims.take("quantum, split 0", "trial a")
    store.claims.take("quantum, split 0", "trial a")
    store.claims.take("quantum, split 1", "trial b")
    for again in (store, Store(url)):
        again.claims.take("quantum, split 0", "trial a")
        with pytest.raises(InputError, match=r"already scored for this arm with other settings.*trial a.*new study"):
            again.claims.take("quantum, split 0", "trial b")


def test_a_claim_of_another_process_is_seen_late_too(url: str) -> None:
    early = Store(url)
    early.claims.take("other", "x")
    Store(url).claims.take("key", "theirs")
    with pytest.raises(InputError, match="theirs"):
        early.claims.take("key", "ours")


def test_a_claim_that_was_not_written_to_its_end_is_free(url: str) -> None:
    Store(url).claims.take("key", "dead")
    (name,) = Store(url)._place.names("claims")
    break_file(url, f"claims/{name}", b'{"key"')
    Store(url).claims.take("key", "living")
    with pytest.raises(InputError, match="living"):
        Store(url).claims.take("key", "dead")


def test_of_processes_that_claim_at_once_one_gets_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from tfq_llm.studies.store import Store; from tfq_llm.errors import InputError\n"
        "store, name, start = Store(sys.argv[1]), sys.argv[2], float(sys.stdin.readline())\n"
        "time.sleep(max(0, start - time.time())); won = []\n"
        "for key in range(200):\n"
        "    try: store.claims.take(str(key), name)\n"
        "    except InputError: continue\n"
        "    won.append(key)\n"
        "print(won)"
    )
    claimants = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("a", "b")
    ]
    said = []
    start = time.time() + 2
    for claimant in claimants:
        assert claimant.stdin is not None
        claimant.stdin.write(f"{start}\n")
        claimant.stdin.flush()
    for claimant in claimants:
        said.append(set(eval(claimant.communicate(timeout=60)[0])))
    assert said[0] | said[1] == set(range(200))
    assert not said[0] & said[1]


def embeddings(name: str = "some", **changes: object) -> EmbeddingDataset:
    """Few, with bound training rows."""
    vectors, labels = blobs(12)
    values = {"name": name, "embeddings": vectors, "labels": labels, "class_names": ("no", "yes"), "train": np.arange(6)}
    return EmbeddingDataset(**{**values, **changes})  # type: ignore[arg-type]


def test_embeddings_come_back_by_their_digest(url: str) -> None:
    dataset = embeddings()
    digest = Store(url).keep_embeddings(dataset)
    assert len(digest) == 16
    back = Store(url).embeddings(digest)
    np.testing.assert_array_equal(back.embeddings, dataset.embeddings)
    np.testing.assert_array_equal(back.labels, dataset.labels)
    np.testing.assert_array_equal(back.train, dataset.train)
    assert (back.name, back.class_names, back.validation) == ("some", ("no", "yes"), None)
    assert Store(url).embeddings(digest) is back
    assert Store(url).keep_embeddings(embeddings("another name")) == digest
    others = [embeddings(train=None), embeddings(train=None, validation=np.arange(6)), embeddings(class_names=("n", "y"))]
    assert len({digest, *map(Store(url).keep_embeddings, others)}) == 4


def test_absent_and_damaged_embeddings_are_told_and_replaced(url: str) -> None:
    with pytest.raises(InputError, match="has no embeddings 00000000"):
        Store(url).embeddings("00000000")
    dataset = embeddings(labels=np.zeros(12, np.int64))
    digest = Store(url).keep_embeddings(dataset)
    other = Store(url).keep_embeddings(embeddings())
    swapped = Store(url)._place.read(f"embeddings/{other}.npz") or b""
    fresh = url + "-again"
    for data in (b"PK\x03\x04 half", swapped):
        Store(fresh)._place.write(f"embeddings/{digest}.npz", data)
        # The cache of remote stores goes by the digest.
        for cached in Path(url).parent.glob("cache/**/*.npz") if "://" not in url else ():
            cached.unlink()
    if "://" not in url:
        with pytest.raises(InputError, match="are damaged"):
            Store(fresh).embeddings(digest)
    assert Store(fresh).keep_embeddings(dataset) == digest
    np.testing.assert_array_equal(Store(fresh).embeddings(digest).labels, dataset.labels)


def test_weights_are_shared_by_trials_of_one_training(url: str) -> None:
    store = Store(url)
    assert store.weights(trial()) is None
    weights = [np.arange(index + 1.0, dtype=np.float32) for index in range(12)]
    store.keep_weights(trial(scored_on="test"), weights)
    back = Store(url).weights(trial(scored_on="test", conditions={"shots": 100})) or []
    assert [each.dtype for each in back] == [np.float32] * 12
    for ours, theirs in zip(weights, back, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    break_file(url, f"weights/{trial().training_name}.npz", b"PK\x03\x04")
    assert store.weights(trial()) is None


def test_rows_carry_a_campaign_to_another_machine(url: str, tmp_path: Path) -> None:
    store = Store(url)
    for number in (3, 0, 11):
        store.keep(result(trial(number, conditions={"noise": 'aria-1, "p1"\n'}, scored_on="test")))
    store.keep(result(trial(1, fold=0, folds=2)))
    rows = store.export_rows()
    there = Store(tmp_path / "there")
    assert there.import_rows(rows) == 4
    assert there.import_rows(rows) == 0
    assert Store(tmp_path / "there").export_rows() == rows
    assert math.isnan(next(iter(Store(tmp_path / "there").results().values())).cost.fit_seconds)
    read = list(csv.DictReader(io.StringIO(rows, newline="")))
    assert [row["name"] for row in read] == sorted(store.results())
    assert "cost" not in read[0]


def test_rows_with_everything_written_out_are_read_as_well(tmp_path: Path) -> None:
    """As they were written before versions were given only where they change, and bins only where they have rows."""
    store = Store(tmp_path / "a")
    for number in range(3):
        made = result(trial(number))
        store.keep(made.model_copy(update={"calibration": ((0, 0.0, 0.0), (20, 0.75, 0.5))}))
    rows = store.export_rows()
    first, *others = csv.DictReader(io.StringIO(rows, newline=""))
    assert first["calibration"] == "[0,[20,0.75,0.5]]"
    assert [row["versions"] for row in others] == ["", ""]
    written_out = io.StringIO()
    writer = csv.DictWriter(written_out, first.keys(), lineterminator="\n")
    writer.writeheader()
    for row in (first, *others):
        writer.writerow({**row, "versions": first["versions"], "calibration": "[[0,0.0,0.0],[20,0.75,0.5]]"})
    old, new = Store(tmp_path / "b"), Store(tmp_path / "c")
    assert old.import_rows(written_out.getvalue()) == new.import_rows(rows) == 3
    assert old.export_rows() == new.export_rows() == rows
    assert all(each.calibration == ((0, 0.0, 0.0), (20, 0.75, 0.5)) for each in old.results().values())


def test_rows_of_other_versions_or_with_damage_are_refused(tmp_path: Path) -> None:
    store, new = Store(tmp_path / "a"), Store(tmp_path / "b")
    store.keep(result(trial(0)))
    rows = store.export_rows()
    ours = versions()["numpy"]
    with pytest.raises(InputError, match=rf"numpy 1\.0 there and {ours} here"):
        new.import_rows(rows.replace(f"numpy {ours}", "numpy 1.0"))
    with pytest.raises(InputError, match="line 2 of the rows of trials is damaged"):
        new.import_rows(rows.replace("steady,", "changed,"))
    with pytest.raises(InputError, match="line 2 of the rows of trials is damaged"):
        new.import_rows(rows[: rows.index("[[3,4]")])
    with pytest.raises(InputError, match="these are not rows of trials"):
        new.import_rows("a,b\n1,2\n")
    assert new.results() == {}


def test_a_study_goes_on_with_the_versions_it_was_begun_with(url: str) -> None:
    Store(url).check_versions()
    Store(url).check_versions()
    with pytest.raises(InputError, match=r"numpy .* there and 9\.9 here; scipy .* there and unknown here"):
        Store(url).check_versions({**{name: of for name, of in versions().items() if name != "scipy"}, "numpy": "9.9"})
    break_file(url, "versions.json", b"{")
    Store(url).check_versions()
    assert from_text(as_text(versions())) == versions()
    assert differences(versions(), versions()) == []


def test_texts_of_the_study_come_back(url: str) -> None:
    assert Store(url).text("study.yaml") is None
    Store(url).write_text("study.yaml", "arms: [é]\n")
    assert Store(url).text("study.yaml") == "arms: [é]\n"
    assert Store(url).digest_of("frozen") is None
    Store(url).keep_digest("frozen", "0123456789abcdef")
    assert Store(url).digest_of("frozen") == "0123456789abcdef"


def test_a_place_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(InputError, match=r"cannot keep a study at 'gs://bucket/study'.*gcsfs"):
        Store("gs://bucket/study")
    with pytest.raises(InputError, match="Protocol not known: nowhere"):
        Store("nowhere://study")
    with pytest.raises(InputError, match="cannot write to the directory"):
        Store("/proc/study")
