// Marks the section on the screen in the navigation.
(() => {
  "use strict";
  const links = [...document.querySelectorAll("nav a")], targets = links.map((link) => document.querySelector(link.hash));
  let waiting = false;
  const mark = () => {
    waiting = false;
    const end = scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    const passed = targets.findLastIndex((target) => target.getBoundingClientRect().top < innerHeight / 3);
    const now = scrollY < 10 ? 0 : end ? links.length - 1 : Math.max(0, passed);
    links.forEach((link, i) => {
      if (i !== now) return link.removeAttribute("aria-current");
      if (link.hasAttribute("aria-current")) return;
      link.setAttribute("aria-current", "true");
      const bar = link.parentElement; // a row that scrolls sideways on narrow screens
      bar.scrollLeft = link.offsetLeft - bar.clientWidth / 2;
    });
  };
  addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(mark);
    waiting = true;
  }, { passive: true });
  addEventListener("resize", mark);
  mark();
})();
