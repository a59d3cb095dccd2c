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
      if (!ALONE.includes(kind)) {
        void [Machines, Tasks]; // which are needed later, when it would be too late to say so
        await Weights.loadCatalogue();
      }
      KINDS[kind](place);
    } catch (error) {
      // Any other kind, such as a ReferenceError, says that one of our scripts is not here; then
      // neither are its helpers, and only the whole page can try again.
      const isOurs = error.constructor === Error;
      const why = isOurs ? error.message : "a script of this page is missing or damaged";
      const note = document.createElement("p"), again = document.createElement("button");
      note.className = "pg-note";
      note.setAttribute("role", "alert");
      again.type = "button";
      again.textContent = "Try again";
      again.onclick = () => (isOurs ? start(place) : location.reload());
      note.append(`Nothing can be shown here: ${why}. `, again);
      place.replaceChildren(note);
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
