/** Start the playgrounds of a page, each when it is about to come into view. */
"use strict";

(() => {
  const KINDS = {
    addressing: (place) => new Addressing.Playground(place),
    copy: (place) => new Sequences.Playground(place, "copy"),
    "repeat-copy": (place) => new Sequences.Playground(place, "repeat-copy"),
    "associative-recall": (place) => new Sequences.Playground(place, "associative-recall"),
    "priority-sort": (place) => new Sorting.Playground(place),
    ngrams: (place) => new NGrams.Playground(place),
    learning: (place) => new Bench.Train(place),
    "failure-lab": (place) => new Bench.FailureLab(place),
  };
  /** Those that need no trained machine. */
  const ALONE = ["addressing", "learning", "failure-lab"];

  /** Start one, or say in a sentence what is missing. */
  async function start(place) {
    const { playground: kind } = place.dataset;
    try {
      if (!ALONE.includes(kind)) await Weights.loadCatalogue();
      KINDS[kind](place);
    } catch (error) {
      const { make, button } = Interface;
      const again = button("Try again", () => start(place));
      const words = `Nothing can be shown here: ${error.message}. `;
      place.replaceChildren(make("p", { class: "pg-note", role: "alert" }, words, again));
    }
  }

  const soon = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        soon.unobserve(target);
        start(target);
      }
    },
    { rootMargin: "600px" },
  );
  for (const place of document.querySelectorAll("[data-playground]")) soon.observe(place);
})();
