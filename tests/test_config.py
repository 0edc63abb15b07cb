"""The configuration is validated as a whole, and every wrong setting is named with its path."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from tfq_llm import InputError
from tfq_llm.config import Config, load_config, make_config
from tfq_llm.pipelines.configs import find
from tfq_llm.pipelines.settings import settings
from tfq_llm.yaml_settings import dump_yaml


@pytest.mark.parametrize("name", ["demo", "domains", "results"])
def test_packaged_configurations_are_valid_and_survive_a_round_trip(name, tmp_path):
    config = load_config(find(name))
    (tmp_path / "again.yaml").write_text(dump_yaml(config))
    assert load_config(tmp_path / "again.yaml") == config


def test_reading_a_configuration_loads_neither_tensorflow_nor_cirq(fresh_process):
    code = "import sys, tfq_llm; tfq_llm.HeadConfig(shots=5); print({'tensorflow', 'cirq', 'numba'} & set(sys.modules))"
    assert fresh_process(code).strip() == "set()"


def test_a_pair_of_readout_errors_survives_a_round_trip(tmp_path):
    config = make_config({"head": {"readout_error": [0.1, 0.2], "shots": 5, "gradient": "spsa", "fixed": True}})
    assert config.head.readout_error == (0.1, 0.2)
    (tmp_path / "again.yaml").write_text(dump_yaml(config))
    assert load_config(tmp_path / "again.yaml") == config


def test_settings_can_be_overridden(tmp_path):
    config = load_config(find("demo"), ["head.layers=2", "data.test_rows=null", "seed=5"])
    assert (config.head.layers, config.data.test_rows, config.seed) == (2, None, 5)


def test_a_group_that_is_set_in_part_keeps_the_rest_of_its_defaults():
    config = make_config({"tuning": {"epochs": 2}, "joint": {"enabled": True}})
    assert (config.tuning.epochs, config.tuning.learning_rate, config.tuning.patience) == (2, 6e-5, 4)
    assert (config.joint.epochs, config.joint.learning_rate) == (2, 1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": {"layer": 2}}, "head.layer: there is no such setting. Did you mean 'layers'?"),
        ({"sede": 1}, "sede: there is no such setting. Did you mean 'seed'?"),
        ({"head": {"layers": "two"}}, "head.layers: Input should be a valid integer (given: 'two')"),
        ({"head": {"layers": 0}}, "head.layers: Input should be greater than or equal to 1 (given: 0)"),
        ({"head": {"padding": "none"}}, "head.padding: Input should be 'constant' or 'zero' (given: 'none')"),
        ({"head": {"num_qubits": 4, "connectivity": 4}}, "head: connectivity is 4, but must be below 4"),
        ({"head": {"num_encoders": 2, "merge": "concatenate"}}, "head: merge 'concatenate' needs num_qubits"),
        ({"head": {"noise": "aria-1"}}, "head: noise is simulated by trajectories or by shots"),
        ({"head": {"readout_error": [0.1]}}, "head.readout_error: a readout error is one probability or two"),
        ({"head": {"readout_error": "0.1"}}, "head.readout_error: the readout error p01 must be a number, not '0.1'"),
        ({"data": {"embeddings": "a.npz"}}, "set tuning.enabled and joint.enabled to false"),
        ({"head": 3}, "head: Input should be a valid dictionary or instance of HeadConfig (given: 3)"),
    ],
)
def test_wrong_settings_are_named_with_their_path(settings, message):
    with pytest.raises(InputError) as caught:
        make_config(settings)
    assert message in str(caught.value)


def test_a_text_may_hold_any_character(tmp_path):
    config = make_config({"data": {"name": "a ${b} #c: [d].csv"}})
    (tmp_path / "config.yaml").write_text(dump_yaml(config))
    assert load_config(tmp_path / "config.yaml") == config
    with pytest.raises(InputError, match="to set a text that looks like a number, quote it"):
        load_config(find("demo"), ["data.text_column=1"])


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(InputError, match="has 3 wrong settings"):
        make_config({"seed": -1, "head": {"layers": 0}, "tuning": {"epoch": 3}})


def test_unreadable_files_are_named(tmp_path):
    for content, message in ((b"head: [", "is not valid YAML"), (b"- 1", "must be a mapping"), (b"a: \xff", "is not valid YAML")):
        (tmp_path / "config.yaml").write_bytes(content)
        with pytest.raises(InputError, match=message):
            load_config(tmp_path / "config.yaml")
    with pytest.raises(InputError, match="cannot read the configuration"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match=r"not of the form section\.key=value"):
        load_config(find("demo"), ["seed"])
    with pytest.raises(InputError, match="Did you mean 'demo'"):
        find("dem")


def test_the_documentation_of_settings_is_what_the_command_prints():
    page = Path(__file__).parents[1] / "docs" / "configuration.md"
    assert page.read_text(encoding="utf-8") == settings() + "\n"


@settings_of_hypothesis(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.floats(1e-6, 1.0))
def test_numbers_survive_a_round_trip(tmp_path_factory, seed, layers, rate):
    config = make_config({"seed": seed, "head": {"layers": layers}, "head_training": {"learning_rate": rate}})
    path = tmp_path_factory.mktemp("round") / "config.yaml"
    path.write_text(dump_yaml(config))
    assert load_config(path) == config
    assert isinstance(config, Config)
