/**
 * What all playgrounds share: labelled controls whose settings stand in the page's address, panels
 * that show numbers as colours, and the colours, which are those of the book's figures.
 */
"use strict";

const Interface = (() => {
  // ---- Elements ---------------------------------------------------------------------------------

  /**
   * Make an element.
   * @param {string} tag
   * @param {object} attributes - attributes, and `onxyz` listeners
   * @param {...(Node|string)} children
   */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }

  // ---- Settings, in controls and in the address -------------------------------------------------

  /** Keep a number within a control's range; anything else becomes the control's start. */
  function within({ low, high, step = 1, start }, text) {
    const number = text === null || text === "" ? NaN : Number(text);
    if (!Number.isFinite(number)) return start;
    const onGrid = low + Math.round((number - low) / step) * step;
    return Number(Math.min(high, Math.max(low, onGrid)).toFixed(6));
  }

  /** Write a setting as the address holds it. */
  const asText = (value) => String(typeof value === "boolean" ? Number(value) : value);

  /** Settings that are kept in the address of the page, so that a reader can pass them on. */
  class Settings {
    /**
     * @param {object[]} controls - each { name, start }, and for a number { low, high, step }
     * @param {(isStepOnly: boolean) => void} onChange - told whether nothing but the step changed
     */
    constructor(controls, onChange) {
      this.controls = new Map(controls.map((control) => [control.name, { ...control }]));
      this.onChange = onChange;
      this.listeners = [];
      const address = new URLSearchParams(location.search);
      this.values = Object.fromEntries(
        controls.map((control) => [control.name, this.read(control, address.get(control.name))]),
      );
    }

    read(control, text) {
      if (typeof control.start === "boolean") return text === null ? control.start : text === "1";
      return control.accept ? control.accept(text) : within(control, text);
    }

    /** Change some settings at once. */
    set(changes) {
      for (const [name, value] of Object.entries(changes)) {
        this.values[name] = this.read(this.controls.get(name), asText(value));
      }
      this.listeners.forEach((show) => show());
      this.keep();
      this.onChange(Object.keys(changes).every((name) => name === "step"));
    }

    /** Let a number go no further than this. */
    limit(name, high) {
      this.controls.get(name).high = high;
      this.values[name] = Math.min(this.values[name], high);
      this.listeners.forEach((show) => show());
    }

    /** Put what differs from the start into the address, soon, and once for many quick changes. */
    keep() {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        const address = new URL(location.href);
        for (const [name, { start }] of this.controls) {
          if (this.values[name] === start) address.searchParams.delete(name);
          else address.searchParams.set(name, asText(this.values[name]));
        }
        history.replaceState(null, "", address);
      }, 150);
    }

    /** Make a slider with its number beside it. */
    slider(name, format = String) {
      const control = this.controls.get(name), { label, low, step = 1 } = control;
      const output = make("output");
      const input = make("input", {
        type: "range", name, min: low, step,
        oninput: () => this.set({ [name]: input.value }),
      });
      this.show(() => {
        input.max = control.high;
        input.value = this.values[name];
        output.value = format(this.values[name]);
      });
      return make("label", { class: "pg-slider" }, make("span", {}, label, " ", output), input);
    }

    /** Make a field for a number. */
    number(name) {
      const { label, low, high } = this.controls.get(name);
      const input = make("input", {
        type: "number", name, min: low, max: high, inputmode: "numeric",
        onchange: () => this.set({ [name]: input.value }),
      });
      this.show(() => (input.value = this.values[name]));
      return make("label", { class: "pg-number" }, label, " ", input);
    }

    /** Make a list to choose a word from; the control has its `choices`, each [value, label]. */
    select(name) {
      const { label, choices } = this.controls.get(name);
      const options = choices.map(([value, words]) => make("option", { value }, words));
      const select = make(
        "select",
        { name, onchange: () => this.set({ [name]: select.value }) },
        ...options,
      );
      this.show(() => (select.value = this.values[name]));
      return make("label", { class: "pg-select" }, label, " ", select);
    }

    /** Make a box to tick. */
    check(name) {
      const input = make("input", {
        type: "checkbox", name,
        onchange: () => this.set({ [name]: input.checked }),
      });
      this.show(() => (input.checked = this.values[name]));
      return make("label", { class: "pg-check" }, input, " ", this.controls.get(name).label);
    }

    /** Run a function now and after every change. */
    show(update) {
      this.listeners.push(update);
      update();
    }
  }

  const SHARE = "The address of this page holds these settings: pass it on to show what you found.";

  const button = (label, onclick) => make("button", { type: "button", onclick }, label);

  // ---- Colours ----------------------------------------------------------------------------------

  const SHADES = 255;
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

  /** Make a colour scale over [low, 1] from evenly spaced colours, with straight lines between. */
  function scale(low, colours) {
    const stops = colours.split(" ").map(rgb);
    const shades = Array.from({ length: SHADES + 1 }, (_, shade) => {
      const place = (shade / SHADES) * (stops.length - 1);
      const below = Math.min(Math.floor(place), stops.length - 2);
      return stops[below].map((x, k) => x + (place - below) * (stops[below + 1][k] - x));
    });
    return (value) => {
      const share = Math.min(1, Math.max(0, (value - low) / (1 - low)));
      return shades[Math.round(share * SHADES)];
    };
  }

  /** Matplotlib's cividis, for bits, probabilities and weightings: dark is 0, yellow is 1. */
  const unit = scale(
    0,
    "#00224e #002e6a #1a386f #32436d #434e6c #535a6d #61656f #6f7073 #7d7c78 " +
      "#8c8878 #9b9476 #aba072 #bcae6c #cdbb63 #dec958 #f0d846 #fee838",
  );
  /** The same with a second arm below 0, for signed numbers: -1 is cyan. */
  const signed = scale(
    -1,
    "#b3eeff #70c3e3 #2687b8 #0e4a80 #00224e #434e6c #7d7c78 #bcae6c #fee838",
  );

  const MARK = rgb("#d7263d"), READ = rgb("#2f8fce"), WRITE = rgb("#d9741a");
  const NOTHING = [0, 0, 0, 0];

  // ---- Panels -----------------------------------------------------------------------------------

  /** A picture of numbers: one pixel a number, which the page stretches to its width. */
  class Panel {
    constructor(kind) {
      this.label = make("p");
      this.canvas = make("canvas", { role: "img", "aria-label": "Nothing yet." });
      this.element = make("div", { class: `pg-panel pg-${kind}` }, this.label, this.canvas);
      // Asking the canvas for its size at each painting would lay out the page each time.
      new ResizeObserver(([{ contentRect }]) => {
        this.room = contentRect;
        this.fit();
      }).observe(this.canvas);
    }

    /** Where there are more numbers than pixels, blend them, or thin lines would break. */
    fit() {
      const { width, height } = this.room ?? { width: Infinity, height: Infinity };
      const crowd = Math.max(this.canvas.width / width, this.canvas.height / height);
      this.canvas.style.imageRendering = crowd > devicePixelRatio ? "auto" : "pixelated";
    }

    /**
     * @param {string} label - said above the picture, and to those who do not see it
     * @param {number} rows
     * @param {number} columns
     * @param {(row: number, column: number) => number[]} colour - red, green, blue, perhaps alpha
     */
    paint(label, rows, columns, colour) {
      this.label.textContent = label;
      this.canvas.setAttribute("aria-label", label);
      this.canvas.width = columns;
      this.canvas.height = rows;
      this.fit();
      const image = new ImageData(columns, rows), { data } = image;
      for (let row = 0, at = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const channels = colour(row, column);
          for (let k = 0; k < 4; k++) data[at++] = channels[k] ?? 255;
        }
      }
      this.canvas.getContext("2d").putImageData(image, 0, 0);
    }
  }

  /** A stack of panels with one time axis, and a cursor at one step; pointing at it moves it. */
  class Stage {
    /**
     * @param {Element[]} elements
     * @param {(step: number) => void} onPoint
     */
    constructor(elements, onPoint) {
      this.columns = 1;
      this.cursor = make("div", { class: "pg-cursor" });
      const point = ({ clientX }) => {
        const { left, width } = this.element.getBoundingClientRect();
        const step = Math.floor(((clientX - left) / width) * this.columns);
        onPoint(Math.min(Math.max(step, 0), this.columns - 1));
      };
      this.element = make(
        "div",
        {
          class: "pg-stage",
          onpointerdown: point,
          onpointermove: (event) => event.buttons && point(event),
        },
        ...elements,
        this.cursor,
      );
    }

    /** Show step number `step` of so many columns. */
    show(step, columns) {
      this.columns = columns;
      this.cursor.style.left = `${(100 * step) / columns}%`;
      this.cursor.style.width = `${100 / columns}%`;
    }
  }

  /** Let the page paint and answer its reader. */
  const pause = () => new Promise((resolve) => setTimeout(resolve));

  return {
    SHARE, MARK, READ, WRITE, NOTHING,
    make, button, unit, signed, pause, Settings, Panel, Stage,
  };
})();
