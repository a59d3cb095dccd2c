/**
 * The playground of dynamic N-grams: bits that a reader clicks, the best prediction of each next
 * bit (Equation 10), and what the trained machines predict beside it.
 */
"use strict";

const NGrams = (() => {
  const { make, button, Settings, Panel, Stage, unit } = Interface;
  const { context: CONTEXT, counts, optimal, draw } = Tasks.ngrams;

  const TASK = "dynamic-ngrams";
  const MOST = 400; // bits

  const onlyBits = (text) => (text ?? "").replace(/[^01]/g, "").slice(0, MOST);

  const CONTROLS = [
    { name: "bits", start: "", accept: onlyBits },
    { name: "table", label: "Table no.", low: 1, high: 9999, start: 1 },
    { name: "step", label: "Predict after bit", low: 1, high: MOST, start: 100 },
  ];

  const TRY = [
    ["40 ones", "1".repeat(40)],
    ["20 times 01", "01".repeat(20)],
    ["20 times 01, then 1", "01".repeat(20) + "1"],
  ];

  const times = (count) => (count === 1 ? "once" : `${count} times`);

  /** Let a machine read some bits; returns its probability of a 1 after each. */
  const predict = (machine, bits) =>
    Array.from(Machines.run(machine, bits.map((bit) => Float64Array.of(bit))), ({ logits }) =>
      Machines.sigmoid(logits[0]),
    );

  class Playground {
    constructor(root) {
      this.settings = new Settings(CONTROLS, (isStepOnly) =>
        isStepOnly ? this.showStep() : this.read(),
      );
      this.predictors = [{ label: "optimal, Eq. 10", predict: optimal }];
      this.build(root);
      this.read();
      this.fetch();
    }

    /** The reader's bits, or, before there are any, 200 drawn from a table of probabilities. */
    get bits() {
      const { bits, table } = this.settings.values;
      return bits ? Array.from(bits, Number) : draw(table);
    }

    build(root) {
      const { settings } = this;
      this.note = make("p", { class: "pg-note", role: "status" });
      this.summary = make("div", { class: "pg-summary", "aria-live": "polite" });
      this.grid = make("div", {
        class: "pg-grid",
        role: "group",
        "aria-label": "The bits. Arrow keys move, Space or Enter flips a bit.",
        onkeydown: (event) => this.move(event),
      });
      const newTable = () => settings.set({ bits: "", table: (settings.values.table % 9999) + 1 });
      this.panels = ["optimal", ...Tasks.MACHINES].map(() => new Panel("strip"));
      this.stage = new Stage(
        this.panels.map(({ element }) => element),
        (place) => settings.set({ step: place + 1 }),
      );
      root.replaceChildren(
        settings.slider("step"),
        this.summary,
        this.note,
        make("p", { class: "pg-heading" }, "Probability that the next bit is a 1"),
        this.stage.element,
        make("p", { class: "pg-hint" }, "Dark blue is 0, yellow is 1."),
        make("p", { class: "pg-heading" }, "The bits: click one to flip it"),
        this.grid,
        make(
          "div",
          { class: "pg-row" },
          button("Draw from a new table", newTable),
          button("Add a 0", () => this.change([...this.bits, 0])),
          button("Add a 1", () => this.change([...this.bits, 1])),
          make("span", {}, "Try:"),
          ...TRY.map(([label, bits]) => button(label, () => this.change(Array.from(bits, Number)))),
        ),
        make("p", { class: "pg-hint" }, Interface.SHARE),
      );
    }

    /** Take other bits, and predict after one of them. */
    change(bits, step = bits.length) {
      this.settings.limit("step", bits.length);
      this.settings.set({ bits: bits.join(""), step });
    }

    flip(place) {
      const { bits } = this;
      bits[place] = 1 - bits[place];
      this.change(bits, place + 1);
    }

    /** Walk among the bits with the arrow keys; only one of them is a tab stop. */
    move(event) {
      const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -MOST, End: MOST };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const places = Array.from(this.grid.children);
      const place = places.indexOf(document.activeElement) + steps[event.key];
      const target = places[Math.min(Math.max(place, 0), places.length - 1)];
      this.settings.set({ step: places.indexOf(target) + 1 });
      target.focus();
    }

    async fetch() {
      for (const { model, label } of Tasks.MACHINES) {
        const name = `${TASK}_${model}`;
        if (!Weights.has(name) || this.predictors.some((one) => one.label === label)) continue;
        try {
          const machine = await Weights.load(name, (share) => {
            this.note.textContent = `Fetching ${label}: ${Math.round(100 * share)}%`;
          });
          this.predictors.push({ label, predict: (bits) => predict(machine, bits) });
          this.note.textContent = "";
          this.read();
        } catch (error) {
          const again = button("Try again", () => this.fetch());
          this.note.replaceChildren(`${label} cannot be shown: ${error.message}. `, again);
          return;
        }
      }
    }

    /** Let everybody read the bits from the start. */
    read() {
      const { bits } = this;
      this.predictions = this.predictors.map(({ predict }) => predict(bits));
      this.predictions.forEach((p, k) => {
        this.panels[k].paint(this.predictors[k].label, 1, bits.length, (_, t) => unit(p[t]));
      });
      this.panels.forEach(({ element }, k) => (element.hidden = k >= this.predictors.length));
      this.settings.limit("step", bits.length);
      this.showBits(bits);
      this.showStep();
    }

    showBits(bits) {
      const places = this.grid.children;
      while (places.length > bits.length) this.grid.lastChild.remove();
      while (places.length < bits.length) {
        const place = places.length;
        this.grid.append(button("", () => this.flip(place)));
      }
      bits.forEach((bit, place) => {
        places[place].textContent = bit;
        places[place].setAttribute("aria-label", `bit ${place + 1}: ${bit}`);
        places[place].classList.toggle("pg-one", bit === 1);
      });
    }

    showStep() {
      const { bits } = this, { step } = this.settings.values;
      Array.from(this.grid.children).forEach((place, t) => {
        place.tabIndex = t === step - 1 ? 0 : -1;
        place.classList.toggle("pg-here", t === step - 1);
        place.classList.toggle("pg-context", t < step && t >= step - CONTEXT);
      });
      this.stage.show(step - 1, bits.length);
      const { zeros, ones } = counts(bits)[step - 1];
      const seen =
        step < CONTEXT
          ? `After ${step} bits there is no context of ${CONTEXT} bits yet.`
          : `The last ${CONTEXT} bits are ${bits.slice(step - CONTEXT, step).join("")}. ` +
            `So far a 1 followed them ${times(ones)}, and a 0 ${times(zeros)}.`;
      const said = this.predictors.map(
        ({ label }, k) => `${label}: ${this.predictions[k][step - 1].toFixed(3)}`,
      );
      this.summary.replaceChildren(
        make("p", {}, seen),
        make("p", {}, `Probability that bit ${step + 1} is a 1. ${said.join("; ")}.`),
      );
    }
  }

  return { Playground, predict };
})();
