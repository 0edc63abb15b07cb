"""The model card of an exported model: what it is, what it was made of, how good it is and what it is not for."""

from __future__ import annotations

import yaml

from tfq_llm.data.catalog import NOT_STATED
from tfq_llm.errors import listed
from tfq_llm.exported.facts import ModelFacts
from tfq_llm.metrics import interval_text, results_table
from tfq_llm.training.card_text import card_text, front_matter, versions_text
from tfq_llm.training.provenance import Provenance, encoder_licence, encoder_model

_LIMITS = """\
- It was trained on the data named above, mostly texts of one kind and one language. On others its probabilities mean little.
- It always answers with one of its classes, also when none fits. Probabilities are those of a softmax and were not calibrated.
- The circuit is simulated. Nothing here shows an advantage over classical heads; the table has theirs beside it.
- It knows nothing of the world beyond its sentence encoder, and takes over that encoder's biases.
- Decisions about people should not rest on it."""


def model_card(facts: ModelFacts, origin: Provenance, command: str) -> str:
    """The card as Markdown, with the front matter that model hubs read.

    Args:
        facts: of the exported model.
        origin: of the trained one.
        command: the one that exported it.
    """
    sections = (
        ("Intended use", _use(facts)),
        ("Data", _data(facts, origin)),
        ("Results", _results(origin)),
        ("What it serves", _serves(facts)),
        ("Limits", _LIMITS),
        ("Licences", _licences(facts, origin)),
        ("Versions", _versions(facts, origin)),
        ("How it was made", _made(origin, command)),
    )
    encoder = facts.encoder["name"] if facts.encoder else None
    front = front_matter(facts.name, origin, encoder, library="tensorflow", tags=("tensorflow", "saved-model"))
    return card_text(front, f"{facts.name}, version {facts.version}", _summary(facts), sections)


def _summary(facts: ModelFacts) -> str:
    classes = ", ".join(f"'{name}'" for name in facts.class_names)
    takes = "a text" if facts.task == "text" else f"an embedding of {facts.embedding_dim} dimensions"
    encoder = (
        f"the sentence encoder {encoder_model(facts.encoder['name'])}, then " if facts.encoder and facts.task == "text" else ""
    )
    return (
        f"Classifies {takes} as one of {classes}: {encoder}a simulated amplitude encoder and a parameterized quantum circuit "
        f"with data re-uploading on {facts.qubits} qubits, {facts.measured} of them measured, then one linear layer. The circuit "
        "with its trained angles is in circuit.json (Cirq) and circuit.svg."
    )


def _use(facts: ModelFacts) -> str:
    takes = "strings" if facts.task == "text" else "embeddings"
    needs = [
        "TensorFlow",
        *(["TF-Text"] if facts.task == "text" else []),
        *(["TensorFlow Quantum"] if facts.signature == "tfq" else []),
    ]
    use = f"Research, teaching and prototypes: {takes} in, probabilities of classes out, on any server that has {listed(needs)}."
    if facts.task == "text":
        most = f"the first {facts.max_tokens} tokens of a text" if facts.max_tokens else "what its sentence encoder was made for"
        return f"{use} It reads {most}."
    if facts.encoder:
        name = encoder_model(facts.encoder["name"])
        return f"{use} They are those of the sentence encoder {name}, fingerprint below; of others its answers mean nothing."
    return f"{use} They are made as those that it was trained on; of others its answers mean nothing."


def _data(facts: ModelFacts, origin: Provenance) -> str:
    rows = ", ".join(f"{count:,} {part}" for part, count in origin.rows.items())
    classes = ", ".join(facts.class_names)
    return f"{origin.data}: {origin.data_source}\n\nRows: {rows}. Classes, in the order of the logits: {classes}."


def _results(origin: Provenance) -> str:
    head = origin.quantum
    return (
        f"Test accuracy {100 * head.accuracy:.1f} % (95 % Wilson interval {interval_text(head.low, head.high)}), "
        f"macro-F1 {head.macro_f1:.3f}, on {head.test_rows:,} rows that were neither trained nor validated on. All heads on the "
        f"same embeddings, of one run with one split:\n\n{results_table(list(origin.results))}"
    )


def _serves(facts: ModelFacts) -> str:
    if facts.signature == "tfq":
        needs = "A process has to load the libraries of TensorFlow Quantum's operators first, as `tfq_llm.exported.load` does."
        return f"{_values(facts)} {needs}"
    return _values(facts)


def _values(facts: ModelFacts) -> str:
    trained = (
        f"It was trained with {facts.trained_with.words}" if facts.trained_with else "It was trained on exact expectation values"
    )
    if facts.serves != "exact":
        return f"{trained}, and serves expectation values sampled anew at every request, with {facts.serves.words}."
    if facts.trained_with:
        reason = (
            "plain TensorFlow operations cannot sample"
            if facts.signature == "plain"
            else "TensorFlow Quantum, on whose operators the circuit is, knows no noise on two qubits"
        )
        return (
            f"{trained}, and serves **exact** expectation values of the noiseless circuit: {reason}. The results above were "
            "measured with that sampling and may differ."
        )
    return f"{trained}, and serves exact ones."


def _licences(facts: ModelFacts, origin: Provenance) -> str:
    lines = [f"- this model: {origin.licence or NOT_STATED}", f"- data: {origin.data_licence}"]
    if facts.encoder:
        name = facts.encoder["name"]
        weights = "in this model" if facts.task == "text" else "not in this model"
        lines.append(f"- sentence encoder {encoder_model(name)}, whose weights are {weights}: {encoder_licence(name)}")
    return "\n".join([*lines, "- the code that trained and exported it, tfq_llm: Apache-2.0"])


def _versions(facts: ModelFacts, origin: Provenance) -> str:
    fingerprint = (
        f"\n\nSentence encoder: {facts.encoder['name']}, fingerprint {facts.encoder['fingerprint']}." if facts.encoder else ""
    )
    exported = f"Exported on {facts.created} with {versions_text(facts.versions)}."
    return f"Trained with {versions_text(origin.versions)}.\n\n{exported}{fingerprint}"


def _made(origin: Provenance, command: str) -> str:
    settings = yaml.safe_dump(dict(origin.settings), sort_keys=False, allow_unicode=True)
    return f"    {command}\n\nfrom a run of `tfq-llm train FILE.yaml` with these settings:\n\n```yaml\n{settings}```"
