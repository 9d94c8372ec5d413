// Tells in the page's own <body data-found> what of it overlaps or stands beyond its edge. Run by `look` beside it.
(() => {
  const found = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 1) found.push(`the page is ${wide} pixels wider than the window`);
  // Where text is painted: its boxes, cut to what scrolls around it.
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const own = node.parentElement;
    if (!node.data.trim() || ["SCRIPT", "STYLE", "title"].includes(own.tagName)) continue;
    if (getComputedStyle(own).visibility === "hidden" || !own.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const { left, top, right, bottom } of range.getClientRects()) {
      let box = [left, top, right, bottom];
      for (let up = own; up; up = up.parentElement) {
        if (getComputedStyle(up).overflowX === "visible") continue;
        const edge = up.getBoundingClientRect();
        box = [Math.max(box[0], edge.left), Math.max(box[1], edge.top), Math.min(box[2], edge.right), Math.min(box[3], edge.bottom)];
      }
      if (own.closest("thead")) continue; // It stays on top of what scrolls below it.
      if (box[2] - box[0] > 2 && box[3] - box[1] > 2) boxes.push([...box, node.data.trim().slice(0, 24), own]);
    }
  }
  boxes.sort((a, b) => a[1] - b[1]);
  for (let i = 0; i < boxes.length; i++) {
    const [left, , right, bottom, text, own] = boxes[i];
    if (left < -1 || right > innerWidth + 1) found.push(`"${text}" stands beyond the edge`);
    for (let k = i + 1; k < boxes.length && boxes[k][1] < bottom - 3; k++) {
      const [l, t, r, b, other, theirs] = boxes[k];
      if (own === theirs || own.contains(theirs) || theirs.contains(own)) continue;
      // Lines of a paragraph may touch.
      if (Math.min(right, r) - Math.max(left, l) > 2 && Math.min(bottom, b) - t > 5) found.push(`"${text}" overlaps "${other}"`);
    }
  }
  document.body.dataset.found = JSON.stringify(found);
})();
