const ladder = document.querySelector('.ladder');
for (const box of document.querySelectorAll('.filters input')) {
  box.addEventListener('change', () => {
    const { hides, only } = box.dataset;
    if (hides) ladder.classList.toggle('hides-' + hides, !box.checked);
    if (only) ladder.classList.toggle('only-' + only, box.checked);
  });
}
// A click on a bar leads to that time in the ladder.
const span = Number(document.querySelector('.bars').dataset.span);
for (const bar of document.querySelectorAll('.bar')) {
  bar.addEventListener('click', (event) => {
    const box = bar.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * span;
    const steps = [...ladder.querySelectorAll('.step:not(.names)')];
    const next = steps.find((step) => Number(step.querySelector('time').textContent) >= at);
    (next || steps.at(-1))?.scrollIntoView({ behavior: 'smooth', block: 'center' });
  });
}
