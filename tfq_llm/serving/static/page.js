// The page: sentences in, answers out, and a look inside one of them.

import { call, keepToken, Refused } from "./api.js";
import { drawCircuit } from "./circuit.js";

const at = (id) => document.getElementById(id);
const percent = (value) => `${(100 * value).toFixed(1)} %`;
let model, answers = [], chosen = 0;

function element(name, { text, ...properties } = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

function bar(label, value, { signed = false, top = false } = {}) {
  const fill = element("span");
  const size = signed ? Math.abs(value) / 2 : value;
  fill.style.width = `${100 * size}%`;
  fill.style.left = signed ? `${50 + 50 * Math.min(value, 0)}%` : "0";
  if (signed && value < 0) fill.className = "negative";
  const track = element("span", { className: signed ? "track signed" : "track" }, fill);
  track.setAttribute("aria-hidden", "true");
  const shown = signed ? (Math.round(1000 * value) / 1000 + 0).toFixed(3).replace("-", "−") : percent(value);
  return element("li", { className: top ? "top" : "" }, element("span", { text: label }), track, element("span", { className: "number", text: shown }));
}

function fail(error, place = at("error")) {
  place.hidden = false;
  place.textContent = error.message;
  if (error.status === 401) {
    at("token-form").hidden = false;
    at("token").focus();
  }
}

// What goes wrong is said at `place`, beside the button; but that the token is wrong is said beside the token.
async function busy(button, status, place, text, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  place.hidden = true;
  status.textContent = text;
  try {
    status.textContent = await work();
  } catch (error) {
    status.textContent = "";
    const said = error.status === 401 ? at("error") : place;
    fail(error, said);
    said.scrollIntoView({ block: "nearest" });
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function describe() {
  document.title = at("name").textContent = model.name;
  const classes = model.class_names.map((name) => `“${name}”`).join(", ");
  const kind = model.sampling ? `drawn anew for every answer, with ${model.sampling}` : "exact";
  at("about").textContent = `Version ${model.version}: answers ${classes}, with a circuit of ${model.qubits} qubits. Its probabilities are ${kind}.`;
  at("card").innerHTML = model.card_html;
  const machine = at("machine").value; // another version may be described than before
  at("machine").replaceChildren(...model.machines.map((name) => element("option", { text: name, selected: name === machine })));
  if (model.task !== "text") {
    at("texts-form").hidden = true;
    at("status").textContent = "This model is a head alone: it takes embeddings, through the API, and no sentences.";
  }
}

async function load() {
  try {
    await renew();
    at("error").hidden = true;
  } catch (error) {
    fail(error);
    if (error.status === 503) setTimeout(load, 1000); // it is still being loaded
  }
}

function answerItem(answer, index) {
  const order = answer.class_names.map((name, place) => [answer.probabilities[place], name]).sort((a, b) => b[0] - a[0]);
  const bars = element("ul", { className: "bars" }, ...order.map(([value, name], place) => bar(name, value, { top: place === 0 })));
  const button = element("button", { type: "button", text: "Look inside" });
  button.setAttribute("aria-label", `Look inside: ${answer.text}`);
  button.addEventListener("click", () => {
    choose(index);
    at("inside-title").focus({ preventScroll: true });
    at("inside").scrollIntoView({ block: "start" });
  });
  return element("li", {}, element("p", { className: "sentence", text: answer.text }), bars, button);
}

function choose(index) {
  chosen = index;
  const answer = answers[index], { measured, circuit, qubits, sampling } = answer.model;
  at("answer-list").querySelectorAll("button").forEach((button, place) => button.setAttribute("aria-pressed", String(place === index)));
  at("chosen").textContent = answer.text;
  at("z").replaceChildren(
    ...answer.z.map((value, qubit) => bar(qubit < measured ? `q${qubit}, read` : `q${qubit}`, value, { signed: true, top: qubit < measured })),
  );
  at("z-sampled").hidden = !sampling;
  at("circuit").replaceChildren(drawCircuit(circuit, qubits, answer.angles));
  at("shots-status").textContent = "";
  at("shots-error").hidden = true;
  at("shots-result").replaceChildren();
  at("inside").hidden = false;
}

async function renew() {
  model = await call("/api/model");
  describe();
}

// Another version may have taken the place of the one that this page shows.
async function predict(texts) {
  const ask = () => call(`/v1/models/${encodeURIComponent(model.name)}/versions/${model.version}:predict`, { instances: texts });
  try {
    return await ask();
  } catch (error) {
    if (error.status !== 404) throw error;
    await renew();
    return ask();
  }
}

// The version whose answer is shown is asked, and no other: both columns are of one model.
async function shoot(answer, options) {
  try {
    return await call("/api/shots", { text: answer.text, version: answer.model.version, ...options });
  } catch (error) {
    if (error.status !== 404) throw error;
    await renew();
    throw new Refused(404, `Version ${answer.model.version}, which gave this answer, is not served any more. Classify again: version ${model.version} will answer.`);
  }
}

async function classify() {
  const texts = at("texts").value.split("\n").map((text) => text.trim()).filter(Boolean);
  if (!texts.length) return "Type a sentence first.";
  if (texts.length > model.request_rows) return `At most ${model.request_rows} sentences at once; these are ${texts.length}.`;
  const { predictions } = await predict(texts);
  answers = predictions.map((found, index) => ({ ...found, text: texts[index], model }));
  at("answer-list").replaceChildren(...answers.map(answerItem));
  at("answers").hidden = false;
  choose(0);
  if (answers.length > 1) return `${answers.length} sentences were classified.`;
  const [{ probabilities, class_names: names }] = answers;
  const best = probabilities.indexOf(Math.max(...probabilities));
  return `The answer is “${names[best]}”, with a ${model.sampling ? "sampled " : ""}probability of ${percent(probabilities[best])}.`;
}

function row(kind, ...cells) {
  return element("tr", {}, ...cells.map((text, place) => {
    const cell = element(kind === "th" || place === 0 ? "th" : "td", { text });
    if (cell.tagName === "TH") cell.scope = kind === "th" ? "col" : "row";
    return cell;
  }));
}

function table(caption, head, rows) {
  return element("table", {}, element("caption", { text: caption }), element("thead", {}, row("th", ...head)), element("tbody", {}, ...rows.map((cells) => row("td", ...cells))));
}

async function measure() {
  const answer = answers[chosen], { measured, sampling } = answer.model;
  at("shots-result").replaceChildren();
  const found = await shoot(answer, { machine: at("machine").value, shots: at("shots").valueAsNumber, seed: at("seed").valueAsNumber });
  if (answers[chosen] !== answer) return ""; // another sentence was chosen meanwhile
  const classes = found.class_names.map((name, place) => {
    const { value, low, high } = found.probabilities[place];
    return [name, percent(answer.probabilities[place]), percent(value), `${(100 * low).toFixed(1)}–${percent(high)}`];
  });
  const bits = found.outcomes.map(({ bits, count }) => [bits, count.toLocaleString("en"), percent(count / found.shots)]);
  if (found.other_outcomes) bits.push(["others", found.other_outcomes.toLocaleString("en"), percent(found.other_outcomes / found.shots)]);
  at("shots-result").replaceChildren(
    table(`Class probabilities of version ${found.version}; 95 % of repetitions would lie in the interval`, ["Class", sampling ? "Answer above" : "Exact", "Measured", "Interval"], classes),
    table(`Outcomes on the measured ${measured === 1 ? "qubit" : "qubits"}`, ["Bits", "Shots", "Share"], bits),
  );
  return `${found.shots.toLocaleString("en")} shots on ${found.machine} would have answered “${found.answer}”.`;
}

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(at("token").value);
  at("token-form").hidden = at("error").hidden = true;
  load().then(() => at("texts").focus());
});
at("texts-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const ready = model ? Promise.resolve() : load();
  ready.then(() => model && busy(at("classify"), at("status"), at("error"), "Classifying …", classify));
});
at("texts").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("texts-form").requestSubmit();
});
at("shots-form").addEventListener("submit", (event) => {
  event.preventDefault();
  busy(at("measure"), at("shots-status"), at("shots-error"), "Measuring …", measure);
});
load();
