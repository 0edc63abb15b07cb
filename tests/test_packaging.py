"""The package as it is installed: from a wheel outside the checkout, and with Python started inside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

import tfq_llm
from tfq_llm.training.saved_head import FILES

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Built:
    """An sdist, and the wheel that was built from it."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Of a copy of the tree, for setuptools leaves its notes beside setup.py."""
    directory = tmp_path_factory.mktemp("build")
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "site")
    shutil.copytree(ROOT, directory / "tree", symlinks=True, ignore=left_out)
    for own in (Path("mine", "head.json"), Path("movie-reviews", "ionq", "jobs.sqlite")):  # of whoever builds it
        file = directory / "tree" / "saved_models" / own
        file.parent.mkdir(exist_ok=True)
        file.touch()
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", directory / "dist", directory / "tree"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return Built(next((directory / "dist").glob("*.tar.gz")), next((directory / "dist").glob("*.whl")))


@pytest.fixture(scope="module")
def environment(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel in an environment of its own, which borrows everything else from this one."""
    directory = tmp_path_factory.mktemp("environment") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([directory / "bin" / "python", "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    (Path(own) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", built.wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", directory / "bin" / "python", *install], check=True)
    return directory


@pytest.mark.campaign
def test_a_wheel_and_what_it_asks_for_are_enough(built, tmp_path):
    """An environment with nothing in it but the wheel and its requirements, as the Dockerfile installs them."""
    (line,) = [line for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines() if "pip install" in line]
    (extra,) = re.findall(r'"\.(\[\w+\])"', line)
    directory = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    install = ["install", "--quiet", f"{built.wheel}{extra}", "--constraint", ROOT / "constraints.txt"]
    subprocess.run([sys.executable, "-m", "pip", "--python", directory / "bin" / "python", *install], check=True)
    assert run(directory, tmp_path, "tfq-llm", "predict", "saved_models/movie-reviews", "a fine film")
    run(directory, tmp_path, "tfq-llm", "export", "saved_models/movie-reviews", "--to", "served/reviews")
    said = run(directory, tmp_path, "python", "-c", "from tfq_llm.serving.server import Server; print(Server.__name__)")
    assert said.strip() == "Server"


def run(environment: Path, directory: Path, program: str, *arguments: str) -> str:
    """What a program of an environment prints, started in a directory that is no checkout."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TF_USE_LEGACY_KERAS")}
    command = [environment / "bin" / program, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory, env=variables)
    assert result.returncode == 0, result.stderr
    return result.stdout


def files_of_the_package() -> set[str]:
    """All that lies in tfq_llm/, where pipelines is a link, but what Python and numba keep there, and users' own saved heads."""
    found = (Path(folder) / name for folder, _, names in os.walk(ROOT / "tfq_llm", followlinks=True) for name in names)
    files = {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}
    saved = "tfq_llm/saved_models/"
    ours = {f"{saved}README.md", *(f"{saved}movie-reviews/{name}" for name in FILES)}
    return {name for name in files if not name.startswith(saved) or name in ours}


@pytest.mark.slow
def test_a_wheel_holds_the_package_and_nothing_else(built):
    names = {name for name in zipfile.ZipFile(built.wheel).namelist() if ".dist-info/" not in name}
    assert names == files_of_the_package()
    assert {
        "tfq_llm/cli.py",
        "tfq_llm/py.typed",
        "tfq_llm/pipelines/train.py",
        "tfq_llm/pipelines/configs/demo.yaml",
        "tfq_llm/saved_models/movie-reviews/head.safetensors",
    } <= names


def test_an_image_gets_no_saved_heads_but_the_packages():
    copied = re.findall(r"^COPY (.*saved_models\S*) ", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied == ["saved_models/README.md", "saved_models/movie-reviews"]
    assert patterns[0] == "*"
    assert [each for each in patterns if "saved_models" in each] == [
        *(f"!{name}" for name in copied),
        "saved_models/movie-reviews/ionq",
    ]


@pytest.mark.slow
def test_an_sdist_holds_the_package_and_what_builds_it(built):
    with tarfile.open(built.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert files_of_the_package() <= names
    assert not [name for name in names if name.startswith("tfq_llm/saved_models/") and name not in files_of_the_package()]
    assert {"LICENSE", "README.md", "CHANGELOG.md", "constraints.txt", "pyproject.toml", "setup.py"} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "pipelines/", "benchmarks/"))]


@pytest.mark.slow
def test_a_wheel_works_outside_the_checkout(environment, tmp_path):
    where = run(environment, tmp_path, "python", "-c", "import tfq_llm; print(tfq_llm.__file__)")
    assert where.startswith(str(environment))
    assert "Fine-tune language models with quantum circuits" in run(environment, tmp_path, "tfq-llm", "--help")
    code = "import pathlib, tfq_llm.model_paths as m; print(m.model_path(pathlib.Path('saved_models/movie-reviews')))"
    saved = Path(run(environment, tmp_path, "python", "-c", code).strip())
    assert environment in saved.parents
    assert {path.name for path in saved.iterdir()} == FILES
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert run(environment, tmp_path, "tfq-llm", "settings").strip() == page.strip()
    drawn = run(environment, tmp_path, "tfq-llm", "draw", "demo", "--qubits", "2", "--set", "head.connectivity=1")
    assert "Ry(x0)" in drawn


@pytest.mark.campaign
def test_a_wheel_runs_a_study_and_writes_its_report(environment, tmp_path):
    labels = np.arange(80) % 2
    vectors = np.random.default_rng(0).normal(size=[80, 4]) + 2 * labels[:, None]
    np.savez(tmp_path / "blobs.npz", embeddings=vectors.astype(np.float32), labels=labels)
    settings = ["splits=2", "data.per_class=20", "selection.candidates=1", "arms=['logistic regression', 'k nearest neighbours']"]
    options = ["--embeddings", "blobs.npz", "--workers", "1", *(word for setting in settings for word in ("--set", setting))]
    printed = run(environment, tmp_path, "tfq-llm", "study", "compare", *options)
    assert "logistic regression" in printed
    assert (tmp_path / "runs" / "studies" / "compare" / "report" / "report.html").is_file()


def test_python_started_inside_the_checkout_finds_the_pipelines(fresh_process):
    code = "import tfq_llm.pipelines.draw as module; print(module.__file__)"
    assert fresh_process(code, cwd=ROOT).strip() == str(ROOT / "tfq_llm" / "pipelines" / "draw.py")


def test_versions_agree():
    (version,) = [
        line.split('"')[1] for line in (ROOT / "setup.py").read_text(encoding="utf-8").splitlines() if "version=" in line
    ]
    assert version == tfq_llm.__version__
    assert f"version {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert citation()["version"] == version


def test_the_citation_names_the_paper_and_the_licence():
    """The fields that the Citation File Format 1.2.0 demands, and what this project has to say in them."""
    facts = citation()
    assert {"cff-version", "message", "title", "authors"} <= set(facts)
    assert facts["cff-version"] == "1.2.0"
    assert facts["license"] == "Apache-2.0"
    (paper,) = facts["references"]
    assert {"type", "title", "authors"} <= set(paper)
    assert paper["url"] == "https://arxiv.org/abs/2504.08732"


def citation() -> dict:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
