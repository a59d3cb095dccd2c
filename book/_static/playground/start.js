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
  const soon = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        soon.unobserve(target);
        KINDS[target.dataset.playground](target);
      }
    },
    { rootMargin: "600px" },
  );
  for (const place of document.querySelectorAll("[data-playground]")) soon.observe(place);
})();
