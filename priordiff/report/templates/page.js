"use strict";

// The curves' values beneath the pointer.
for (const chart of document.querySelectorAll(".chart")) {
  const { x: xLabel, curves } = JSON.parse(chart.querySelector("script").textContent);
  const tooltip = chart.querySelector(".tooltip");
  const steps = [...new Set(curves.flatMap((curve) => curve.points.map((point) => point[0])))];
  const number = (value) => Number(value.toPrecision(4)).toLocaleString("en");

  for (const svg of chart.querySelectorAll(".plot svg")) {
    const [low, high, log, start, stop] = JSON.parse(svg.dataset.x);
    const scale = log ? Math.log10 : Number;
    const place = (x) => start + ((scale(x) - scale(low)) / (scale(high) - scale(low))) * (stop - start);
    const cursor = svg.querySelector(".cursor");

    const hide = () => {
      tooltip.hidden = true;
      cursor.setAttribute("visibility", "hidden");
    };
    const show = (event) => {
      const box = svg.getBoundingClientRect();
      const pixels = box.width / svg.viewBox.baseVal.width;
      const at = (event.clientX - box.left) / pixels;
      const step = steps.reduce((a, b) => (Math.abs(place(b) - at) < Math.abs(place(a) - at) ? b : a));
      cursor.setAttribute("transform", `translate(${place(step)} 0)`);
      cursor.setAttribute("visibility", "visible");
      const rows = curves.flatMap((curve) => {
        const point = curve.points.find((candidate) => candidate[0] === step);
        return point ? [[curve.name, number(point[1]), `style-${curve.style}`]] : [];
      });
      tooltip.replaceChildren(
        ...[[xLabel, number(step), ""], ...rows].map(([name, value, style]) => {
          const line = document.createElement("div");
          for (const [text, className] of [[name, style], [value, ""]]) {
            const cell = document.createElement("span");
            cell.textContent = text;
            cell.className = className;
            line.append(cell);
          }
          return line;
        }),
      );
      tooltip.hidden = false;
      const frame = chart.getBoundingClientRect();
      const left = box.left - frame.left + place(step) * pixels + 12;
      const flipped = left + tooltip.offsetWidth > frame.width - 8;
      tooltip.style.left = `${Math.max(8, flipped ? left - tooltip.offsetWidth - 24 : left)}px`;
      tooltip.style.top = `${box.top - frame.top + 16}px`;
    };
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerdown", show);
    svg.addEventListener("pointerleave", hide);
  }
}

// One voice at a time, and a line in the picture where it is.
const players = [...document.querySelectorAll("audio")];
for (const player of players) {
  const playhead = document.createElement("div");
  playhead.className = "playhead";
  const move = () => {
    playhead.style.left = `${(100 * player.currentTime) / player.duration}%`;
    if (!player.paused) requestAnimationFrame(move);
  };
  player.addEventListener("play", () => {
    for (const other of players) if (other !== player) other.pause();
    player.closest("figure").querySelector(".picture").append(playhead);
    move();
  });
  player.addEventListener("seeked", move);
  player.addEventListener("ended", () => playhead.remove());
}
