"use strict";
for (const plot of document.querySelectorAll(".plot")) {
  const svg = plot.querySelector("svg");
  const points = JSON.parse(plot.querySelector("script").textContent);
  if (points.length === 0) continue;
  const out = plot.appendChild(document.createElement("output"));
  out.textContent = "Point at the picture, or focus it and press the arrow keys, to read its values.";
  const ring = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "circle"));
  ring.setAttribute("r", 6);
  ring.style.cssText = "fill:none;stroke:var(--text);stroke-width:2;visibility:hidden";
  let shown = -1;
  const show = (i) => {
    shown = i;
    ring.setAttribute("cx", points[i][0]);
    ring.setAttribute("cy", points[i][1]);
    ring.style.visibility = "visible";
    out.textContent = points[i][2];
  };
  svg.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    // Columns matter more than rows: most pictures have one point to a column.
    const far = ([x, y]) => (x - at.x) ** 2 + 0.1 * (y - at.y) ** 2;
    let best = 0;
    points.forEach((point, i) => { if (far(point) < far(points[best])) best = i; });
    show(best);
  });
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(Math.min(Math.max(shown + step, 0), points.length - 1));
  });
}
