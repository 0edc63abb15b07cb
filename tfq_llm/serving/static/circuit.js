// Draws a circuit as SVG: moments of gates, each with an angle of its own or that of a datum.

const SVG = "http://www.w3.org/2000/svg";
const WIRE = 40, LEFT = 44, COLUMN = 50, BOX = 42, HEIGHT = 30;

function node(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// Gates of a moment whose wires cross are drawn beside each other.
function columns(moments) {
  const found = [];
  for (const moment of moments) {
    const own = [];
    for (const gate of moment) {
      const low = Math.min(...gate.qubits), high = Math.max(...gate.qubits);
      let column = own.find((each) => each.every((other) => other.high < low || other.low > high));
      if (!column) own.push((column = []));
      column.push({ gate, low, high });
    }
    found.push(...own);
  }
  return found;
}

function angleOf(gate, angles) {
  return gate.data === undefined ? gate.angle : angles[gate.data];
}

function drawBox(svg, gate, angles, x, y) {
  const kind = gate.data === undefined ? "" : " data";
  const angle = angleOf(gate, angles);
  svg.append(node("rect", { class: `gate${kind}`, x: x - BOX / 2, y: y - HEIGHT / 2, width: BOX, height: HEIGHT, rx: 4 }));
  const texts = angle === undefined ? [[gate.name, 0]] : [[gate.name, -7], [angle.toFixed(2), 7]];
  for (const [text, shift] of texts) svg.append(node("text", { class: kind.trim(), x, y: y + shift }, text));
}

function drawGate(svg, { gate, low, high }, angles, x, wire) {
  if (low !== high) svg.append(node("line", { class: "link", x1: x, x2: x, y1: wire(low), y2: wire(high) }));
  if (gate.name === "CNOT") {
    const [control, target] = gate.qubits.map(wire);
    svg.append(node("circle", { class: "control", cx: x, cy: control, r: 4.5 }));
    svg.append(node("circle", { class: "target", cx: x, cy: target, r: 9 }));
    svg.append(node("line", { class: "target", x1: x, x2: x, y1: target - 9, y2: target + 9 }));
    return;
  }
  for (const qubit of gate.qubits) drawBox(svg, gate, angles, x, wire(qubit));
}

export function drawCircuit(moments, qubits, angles) {
  const placed = columns(moments);
  const width = LEFT + placed.length * COLUMN + 16, height = qubits * WIRE + 16;
  const wire = (qubit) => 28 + qubit * WIRE;
  const svg = node("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "drawing-title drawing-text" });
  const gates = moments.flat();
  const said = angles.map((angle, index) => `qubit ${index}: ${angle.toFixed(2)}`).join(", ");
  svg.append(node("title", { id: "drawing-title" }, `Circuit of ${gates.length} gates on ${qubits} qubits`));
  svg.append(node("desc", { id: "drawing-text" }, `Angles of this sentence, in radians: ${said}.`));
  for (let qubit = 0; qubit < qubits; qubit++) {
    svg.append(node("text", { x: 20, y: wire(qubit) }, `q${qubit}`));
    svg.append(node("line", { class: "wire", x1: LEFT - 8, x2: width - 8, y1: wire(qubit), y2: wire(qubit) }));
  }
  placed.forEach((column, index) => {
    for (const gate of column) drawGate(svg, gate, angles, LEFT + (index + 0.5) * COLUMN, wire);
  });
  return svg;
}
