// What the theme leaves undone.
"use strict";

(function () {
  // The search shows the lines around a word by fetching their page, which a file may not do.
  if (location.protocol === "file:") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }

  // The search takes what every object has by nature for a word that it found.
  if (typeof Search !== "undefined" && Search._index) {
    for (const words of [Search._index.terms, Search._index.titleterms]) {
      if (!Object.hasOwn(words, "constructor")) {
        Object.defineProperty(words, "constructor", { value: undefined });
      }
    }
  }

  // A formula that is wider than the page scrolls; here the keyboard can scroll it, too.
  function letKeyboardScroll() {
    for (const formula of document.querySelectorAll("mjx-container[display]")) {
      if (formula.scrollWidth > formula.clientWidth) {
        formula.tabIndex = 0;
      } else {
        formula.removeAttribute("tabindex");
      }
    }
  }

  window.addEventListener("load", function () {
    if (window.MathJax?.startup) {
      window.MathJax.startup.promise.then(function () {
        new ResizeObserver(letKeyboardScroll).observe(document.querySelector("article"));
      });
    }
  });
})();
