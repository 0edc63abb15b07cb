"""Packaging of tfq_llm. What may be installed is here; which exact versions were tested is in constraints.txt."""

import platform
import sys
from pathlib import Path

from setuptools import find_packages, setup

if sys.platform != "linux" or platform.machine() != "x86_64":
    sys.exit(
        f"tfq-llm needs Linux on x86-64, the only platform TensorFlow Quantum 0.7.6 has wheels for; this is {platform.system()} "
        f"on {platform.machine()}: use such a machine, a virtual machine or a container."
    )

# TFDS 4.9.10 needs two things it does not ask for: a tensorflow-metadata that lives with TensorFlow 2.18's protobuf, and
# importlib_resources on every Python.
TFDS = ["importlib-resources", "tensorflow-datasets>=4.9.7", "tensorflow-metadata<1.18"]

CLUSTER = ["ray>=2.40"]
PARQUET = ["pyarrow>=16"]

DOCS = ["furo", "ipykernel", "myst-nb", "nbconvert", "sphinx>=8.1"]

SERVE = [
    "anyio>=4",
    "fastapi>=0.115",
    "httptools>=0.6",
    "markdown-it-py>=3",
    "orjson>=3.10",
    "prometheus_client>=0.20",
    "uvicorn>=0.54,<0.55",  # serving/connections.py uses what it does not promise to keep
    "uvloop>=0.19",
]

setup(
    name="tfq-llm",
    version="0.1.0",
    description="Fine-tune language models with quantum circuits, on Cirq and TensorFlow Quantum",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["tfq_llm", "tfq_llm.*"]),
    package_data={
        "tfq_llm": ["py.typed", "saved_models/README.md", "saved_models/movie-reviews/*"],
        "tfq_llm.ionq": ["worker-requirements.txt"],
        "tfq_llm.pipelines": ["configs/*.yaml"],
        "tfq_llm.serving": ["static/*"],
        "tfq_llm.studies.report": ["templates/*"],
    },
    entry_points={"console_scripts": ["tfq-llm=tfq_llm.cli:main"]},
    install_requires=[
        "aiohttp>=3.9",
        "cirq-core==1.5.0",
        "cirq-ionq==1.5.0",
        "filelock>=4.1",
        "fsspec>=2024.6",
        "jinja2>=3.1",
        "matplotlib>=3.9",
        "numba>=0.61",
        "numpy>=2.0,<2.1",
        "omegaconf>=2.3",
        "optuna>=4",
        "packaging>=24.2",
        "pandas>=2.2",
        "pebble>=5",
        "pip>=22.3",
        "platformdirs>=4",
        "psutil>=5.9",
        "pyDOE3>=1.1",
        "pydantic>=2.7",
        "PyYAML>=6",
        "requests>=2.31",
        "rich>=13",
        "safetensors>=0.4",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        "setuptools<80",  # tensorflow-hub 0.16.1 imports its pkg_resources, which later releases warn of and then lack
        "statsmodels>=0.14",
        "sympy",
        "tenacity>=8.2",
        "tensorflow>=2.18.1,<2.19",
        "tensorflow-hub>=0.16.1",
        "tensorflow-quantum==0.7.6",
        "tensorflow-serving-api>=2.18,<2.19",
        "tensorflow-text>=2.18.1,<2.19",
        "tf-keras>=2.18,<2.19",
        "tqdm>=4.66",
        "typer>=0.29",
    ],
    extras_require={
        "cluster": CLUSTER,
        "parquet": PARQUET,
        "docs": DOCS,
        "serve": SERVE,
        "tfds": TFDS,
        "dev": [
            "build",
            "hypothesis",
            "import-linter",
            "mypy",
            "pandas-stubs",
            "playwright",
            "pre-commit",
            "pytest",
            "pytest-xdist",
            "ruff",
            "schemathesis>=4",
            "types-PyYAML",
            "types-psutil",
            "types-requests",
            "types-tqdm",
            *CLUSTER,
            *PARQUET,
            *DOCS,
            *SERVE,
            *TFDS,
        ],
    },
    classifiers=[
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
