// Counts decisions, and saves the table of suspects with them, as `counterpoise suspects --apply` reads it.
(() => {
  const items = [...document.querySelectorAll("li[data-image]")];
  const chosen = (item) => item.querySelector("select").selectedOptions[0];
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  let unsaved = false;
  const row = (item) => {
    const {image, given, suggested, margin} = item.dataset;
    const option = chosen(item);
    return [image, given, option.dataset.other ?? suggested, margin, option.value].map(quoted).join(",");
  };
  document.addEventListener("change", () => {
    unsaved = true;
    const decided = items.filter((item) => chosen(item).value).length;
    document.getElementById("count").textContent = `${decided} of ${items.length} decided`;
  });
  document.getElementById("save").addEventListener("click", () => {
    const lines = ["image,given,suggested,margin,confirmed", ...items.map(row), ""];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n")], {type: "text/csv"}));
    link.download = "confirmed.csv";
    link.click();
    URL.revokeObjectURL(link.href);
    unsaved = false;
  });
  window.addEventListener("beforeunload", (event) => unsaved && event.preventDefault());
  document.documentElement.classList.add("scripted");
})();
