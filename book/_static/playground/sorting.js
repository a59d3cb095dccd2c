/**
 * The playground of priority sort: a slider for the priority of each vector, what the machines
 * answer, and where the first NTM wrote each vector.
 */
"use strict";

const Sorting = (() => {
  const { make, signed, unit } = Interface;
  const TASK = Tasks["priority-sort"];
  const { items: ITEMS } = TASK;
  const BITS = 8;

  // ---- Where vectors were written; the Python package has the same functions ----------------------

  /** Cut the ring of locations in its widest unused stretch, so that neighbours are near. */
  function unroll(locations, count) {
    const used = [...new Set(locations)].sort((a, b) => a - b);
    const gaps = used.map((location, k) => location - (k ? used[k - 1] : used.at(-1) - count));
    const start = used[gaps.indexOf(Math.max(...gaps))];
    return locations.map((location) => ((location - start + count) % count) + start);
  }

  const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

  /** Fit a line to numbers y by least squares; a line through equal numbers explains nothing. */
  function fitLine(x, y) {
    const across = x.map((value) => value - mean(x)), up = y.map((value) => value - mean(y));
    const dot = (a, b) => a.reduce((total, value, k) => total + value * b[k], 0);
    const slope = dot(across, up) / dot(across, across), spread = dot(up, up);
    return {
      slope,
      intercept: mean(y) - slope * mean(x),
      rSquared: spread ? (slope ** 2 * dot(across, across)) / spread : 0,
    };
  }

  /**
   * Find the write head whose locations follow the priorities best.
   * @param {object[]} steps - of a run
   * @param {object} settings - the machine's
   * @param {number[]} priorities
   * @returns {object} the head, whether it wrote a step late, the line and the locations
   */
  function fitWrites(steps, { read_heads, write_heads, memory_locations: N }, priorities) {
    let best;
    for (const late of [0, 1]) {
      for (let head = 0; head < write_heads; head++) {
        const at = priorities.map((_, t) => {
          const weighting = steps[t + late].state.weightings[read_heads + head];
          return weighting.indexOf(Math.max(...weighting));
        });
        const locations = unroll(at, N), line = fitLine(priorities, locations);
        if (!best || line.rSquared > best.rSquared) best = { head, late, locations, ...line };
      }
    }
    return best;
  }

  // ---- The playground ---------------------------------------------------------------------------

  class Playground extends Sequences.Playground {
    constructor(root) {
      super(root, TASK.name);
    }

    taskControls() {
      this.knobs = Array.from({ length: ITEMS }, (_, item) => this.knob(item));
      this.order = make("p", { class: "pg-order pg-hint" });
      this.key = make("p", { class: "pg-hint" });
      return [
        make(
          "fieldset",
          { class: "pg-board" },
          make("legend", {}, "Priorities: drag them, or use the arrow keys"),
          ...this.knobs.map(({ element }) => element),
        ),
        make("div", { class: "pg-row" }, this.key, this.order),
      ];
    }

    /** Make one vector's column: its place, its slider, its bits, and where it was written. */
    knob(item) {
      const { settings } = this;
      const place = make("b"), at = make("output");
      const input = make("input", {
        type: "range", name: `priority-${item + 1}`, min: -1, max: 1, step: 0.02,
        "aria-label": `priority of vector ${item + 1}`,
        oninput: () =>
          settings.set({ moved: TASK.move(settings.values.moved, item, Number(input.value)) }),
      });
      const bits = make("canvas", { width: 1, height: BITS, "aria-hidden": "true" });
      const element = make("div", { class: "pg-knob" }, place, input, bits, at);
      return { element, place, input, bits, at };
    }

    nextSequence() {
      return { ...super.nextSequence(), moved: "" };
    }

    paintInputs() {
      const { inputs } = this.episode;
      this.inputs.paint("inputs: bits, priority, delimiter", BITS + 2, inputs.length, (row, t) =>
        row === BITS ? signed(inputs[t][row]) : unit(inputs[t][row]),
      );
    }

    /** Bring the board up to date, too. */
    paintEpisode() {
      super.paintEpisode();
      const { vectors, priorities, order } = (this.drawn = TASK.draw(this.settings.values));
      const answers = this.episode.asked.filter(Boolean).length;
      order.forEach((item, place) => {
        const knob = this.knobs[item], due = place < answers;
        knob.input.value = priorities[item];
        knob.input.setAttribute(
          "aria-valuetext",
          `${priorities[item].toFixed(2)}, ${due ? `place ${place + 1}` : "not asked for"}`,
        );
        knob.place.textContent = due ? place + 1 : "–";
        knob.place.classList.toggle("pg-left-out", !due);
        paintBits(knob.bits, vectors[item]);
      });
      const listed = order.map((item) => `${item + 1} (${priorities[item].toFixed(2)})`);
      this.order.textContent = `Vectors, by priority: ${listed.join(", ")}.`;
      this.showWritten();
    }

    /** Show below each vector where a machine wrote it; without one, nothing. */
    showWritten(written) {
      this.written = written;
      this.knobs.forEach(({ at }, item) => (at.textContent = written?.places[item] ?? ""));
      this.key.textContent =
        "Above each slider the vector's place in the answer; below it the vector" +
        (written
          ? `, and the location where write head ${written.head + 1} of the ${written.label} put it.`
          : ".");
    }

    verdict(lane) {
      const said = super.verdict(lane);
      const { priorities, order } = this.drawn;
      if (!lane.hasMemory || new Set(priorities).size === 1) return said;
      const { settings } = lane.machine;
      const fit = fitWrites(lane.steps, settings, priorities);
      const places = fit.locations.map((location) => location % settings.memory_locations);
      if (!this.written) this.showWritten({ places, head: fit.head, label: lane.label });
      const sign = fit.slope < 0 ? "−" : "+";
      return (
        `${said} Write head ${fit.head + 1} follows the priorities best. Where it wrote the ` +
        `vectors, in the order of the answer: ${order.map((item) => places[item]).join(", ")}. ` +
        `Location ${fit.intercept.toFixed(1)} ${sign} ${Math.abs(fit.slope).toFixed(1)} × ` +
        `priority explains R² = ${fit.rSquared.toFixed(2)} of it.`
      );
    }
  }

  /** Paint a vector as a column of bits. */
  function paintBits(canvas, vector) {
    const image = new ImageData(1, BITS);
    vector.forEach((bit, row) => image.data.set([...unit(bit), 255], 4 * row));
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  return { Playground, fitWrites };
})();
