// Draws each chart of the page again from its specification, with tooltips, and passes values between controls and
// charts: a control with `data-signal` sets the parameter of that name in every chart that has it; `picked` is the
// class under the pointer. `data-values` turns the position of a slider into its value, and `data-texts` into words.
(() => {
  const views = [];
  const values = new Map();
  const show = (view, name, value) => {
    if (name in view.getState().signals) view.signal(name, value).runAsync();
  };
  const tell = (name, value) => {
    if (values.get(name) === value) return;
    values.set(name, value);
    for (const view of views) show(view, name, value);
  };
  const draw = async (box) => {
    const spec = JSON.parse(box.querySelector("script").textContent);
    const place = document.createElement("div");
    const options = {
      mode: "vega-lite", config: CONFIG, renderer: "svg", actions: false, ast: true, tooltip: {theme: "page"},
    };
    const {view} = await vegaEmbed(place, spec, options);
    const picture = box.querySelector("svg");
    const drawn = place.querySelector("svg");
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", picture.getAttribute("aria-label"));
    picture.replaceWith(place);
    views.push(view);
    for (const [name, value] of values) show(view, name, value);
    view.addEventListener("mouseover", (event, item) => tell("picked", item?.datum?.class ?? null));
  };
  for (const control of document.querySelectorAll("[data-signal]")) {
    const {signal, values: steps, texts} = control.dataset;
    const output = document.querySelector(`output[for="${control.id}"]`);
    const read = () => {
      tell(signal, steps ? JSON.parse(steps)[control.value] : control.value);
      if (!texts) return;
      output.textContent = JSON.parse(texts)[control.value];
      control.setAttribute("aria-valuetext", output.textContent);
    };
    control.addEventListener("input", read);
    read();
  }
  for (const row of document.querySelectorAll("[data-class]")) {
    row.addEventListener("focusin", () => tell("picked", row.dataset.class));
    row.addEventListener("focusout", () => tell("picked", null));
  }
  const open = () => document.querySelector(`${location.hash || "#none"} > details`)?.setAttribute("open", "");
  addEventListener("hashchange", open);
  open();
  document.documentElement.classList.add("scripted");
  (async () => {
    for (const box of document.querySelectorAll(".chart")) await draw(box);
    document.documentElement.classList.add("drawn");
  })();
})();
