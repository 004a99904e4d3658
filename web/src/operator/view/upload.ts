// Taking files in: chosen or dropped, one after the other, each with what became of it.

import { attribute, h, text, toggle } from "../../dom";
import { assetWords, TAKEN } from "../art";
import type { Desk } from "../desk";

// Lines of files that are shown, the newest first.
const LINES_MAX = 12;

export function uploadArea(desk: Desk): HTMLElement {
  const input = h("input", { type: "file", id: "art-files", class: "unseen", multiple: true, accept: TAKEN, "aria-describedby": "art-files-hint" });
  const choose = h("label", { for: "art-files", class: "quiet-button choose" }, "Choose files");
  const lines = h("ul", { class: "upload-lines", "aria-label": "Files" });
  const hint = h("p", { class: "hint", id: "art-files-hint" }, "Or drop them here. PNG, JPEG or WebP up to 4096 pixels a side, animated or not, SVG made of paths, or MP4, WebM or MPEG-TS up to 30 s.");
  const area = h("div", { class: "drop" }, h("div", { class: "drop-head" }, input, choose, hint), lines);
  const queue: { file: File; line: HTMLElement }[] = [];
  let busy = false;
  let depth = 0;

  function take(files: readonly File[]): void {
    for (const file of files) {
      const line = h("li", { class: "upload-line" }, h("strong", {}, file.name), " ", h("span", {}, "Waiting"));
      lines.prepend(line);
      queue.push({ file, line });
    }
    while (lines.children.length > LINES_MAX + queue.length) lines.lastElementChild?.remove();
    void work();
  }

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await upload(next.file, next.line);
    busy = false;
  }

  async function upload(file: File, line: HTMLElement): Promise<void> {
    const words = line.querySelector("span") as HTMLElement;
    attribute(line, "data-state", "coming");
    text(words, "On its way…");
    let told = "";
    const stood = await desk.change(
      async (client) => {
        const { asset, isNew } = await client.upload(file);
        told = isNew ? `Taken: ${assetWords(asset)}` : `It was there already: ${assetWords(asset)}`;
      },
      `${file.name} is taken`,
      "assets",
    );
    attribute(line, "data-state", stood === null ? "taken" : "refused");
    text(words, stood === null ? told : `${stood.title}. ${stood.detail}`.trim());
    if (stood !== null) desk.say(`${file.name} is not taken. ${stood.title}. ${stood.detail}`);
  }

  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    // The same file can be chosen again.
    input.value = "";
  });
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  const over = (by: number) => {
    depth = Math.max(0, depth + by);
    toggle(area, "over", depth > 0);
  };
  area.addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  area.addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  area.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  area.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(-depth);
    take([...(event.dataTransfer?.files ?? [])]);
  });
  return area;
}
