// Draws what `data-chart` holds with uPlot: bars whose parts add up, or lines. Dragging narrows the time.
"use strict";
(() => {
  // light-dark() is resolved where a colour is used: a probe tells.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  const short = (value) => {
    for (const [size, letter] of [[1e9, "B"], [1e6, "M"], [1e3, "k"]]) if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${letter}`;
    return `${+value.toPrecision(3)}`;
  };
  const formats = {
    number: (value) => short(value),
    usd: (value) => `$${short(value)}`,
    latency: (value) => (value >= 1000 ? `${+(value / 1000).toPrecision(3)} s` : value ? `${Math.round(value)} ms` : "0"),
  };
  // A value between two that are not known is no line: it is drawn as a point.
  const alone = (line) => line.flatMap((value, at) => (value != null && line[at - 1] == null && line[at + 1] == null ? [at] : []));
  const drawn = new Set();
  const day = 86400;
  const wholes = [...Array(13).keys()].flatMap((power) => [1, 2, 5].map((first) => first * 10 ** power));
  const days = (_, ticks) => ticks.map((tick) => {
    const text = new Date(tick * 1e3).toISOString();
    const apart = ticks.length > 1 ? ticks[1] - ticks[0] : day;
    if (apart >= 28 * day) return text.slice(0, 7);
    if (apart >= day || tick % day === 0) return text.slice(5, 10);
    return text.slice(11, apart < 60 ? 19 : 16);
  });

  function draw(box) {
    const data = JSON.parse(box.dataset.chart);
    const say = formats[data.format];
    const colours = data.names.map((_, number) => colour(data.colours[number]));
    const step = data.times.length > 1 ? data.times[1] - data.times[0] : 60;
    let order = data.names.map((_, number) => number), values = data.values;
    if (data.bars) { // the highest first, what is below it over it
      const sums = [];
      data.values.forEach((one, number) => sums.push(one.map((value, at) => (value ?? 0) + (number ? sums[number - 1][at] : 0))));
      order = order.reverse();
      values = order.map((number) => sums[number]);
    }
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    const grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: colour("--dim"), grid: { show: false }, ticks: { ...grid, size: 4 }, font: "11px system-ui, sans-serif" };
    const chart = new uPlot({
      width: box.clientWidth, height: 172, tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, points: { show: !data.bars }, drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { range: (_, low, high) => (data.bars ? [low - step / 2, high + step / 2] : data.times.length > 1 ? [low, high] : [low - step, high + step]) },
        y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] },
      },
      axes: [
        { ...axis, size: 26, values: days },
        { ...axis, size: 52, grid, ticks: { show: false }, incrs: data.whole ? wholes : undefined, values: (_, ticks) => ticks.map(say) },
      ],
      series: [{}, ...order.map((number) => ({
        stroke: colours[number],
        width: data.bars ? 0 : 1.5,
        fill: data.bars ? colours[number] : undefined,
        paths: data.bars ? uPlot.paths.bars({ size: [0.82, 60] }) : undefined,
        points: { show: false, size: 5, fill: colours[number], filter: (_, at) => (data.bars ? null : alone(values[at - 1])) },
        spanGaps: false,
      }))],
      hooks: {
        setSelect: [(plot) => {
          if (plot.select.width < 6) return;
          const from = Math.floor(plot.posToVal(plot.select.left, "x"));
          const to = Math.ceil(plot.posToVal(plot.select.left + plot.select.width, "x"));
          const address = new URL(box.dataset.narrow, location.href);
          address.searchParams.set("from", Math.max(from, 0));
          address.searchParams.set("to", to);
          location.assign(address);
        }],
        setCursor: [(plot) => {
          const at = plot.cursor.idx;
          tip.hidden = at == null || plot.cursor.left < 0;
          if (tip.hidden) return;
          const when = document.createElement("div");
          when.textContent = new Date(data.times[at] * 1e3).toISOString().slice(0, 16).replace("T", " ");
          const lines = data.names.map((name, number) => [name, data.values[number][at], colours[number]])
            .filter(([, value]) => value != null && (value || data.names.length < 3))
            .map(([name, value, fill]) => {
              const line = document.createElement("div"), dot = document.createElement("span");
              dot.textContent = "■";
              dot.style.color = fill;
              line.append(dot, ` ${name || "(empty)"} ${say(value)}`);
              return line;
            });
          tip.replaceChildren(when, ...lines);
          const left = plot.cursor.left + 62;
          tip.style.left = `${left + tip.offsetWidth > box.clientWidth ? Math.max(left - tip.offsetWidth - 20, 0) : left + 8}px`;
          tip.style.top = "4px";
        }],
      },
    }, [data.times, ...values], box);
    box.append(tip);
    drawn.add([box, chart]);
  }

  function drawAll() {
    for (const [, chart] of drawn) chart.destroy();
    drawn.clear();
    for (const box of document.querySelectorAll(".chart[data-chart]")) { box.replaceChildren(); draw(box); }
  }
  document.addEventListener("htmx:afterSettle", drawAll);
  document.addEventListener("theme", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => { for (const [box, chart] of drawn) chart.setSize({ width: box.clientWidth, height: 172 }); }, 100); });
})();
