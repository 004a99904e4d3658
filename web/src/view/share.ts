// A link to the mosaic, to send to somebody else.

import { copy } from "../clipboard";
import { attribute, h, icon, text } from "../dom";
import { shareLink } from "../link";
import type { Viewer, ViewerState } from "../viewer";

const SAID_MS = 4_000;

export function shareButton(viewer: Viewer): HTMLElement {
  const button = h("button", { type: "button", class: "icon-button share-button", "aria-label": "Copy a link to this mosaic", title: "Copy a link to this mosaic" }, icon("link"));
  const said = h("span", { class: "share-said", role: "status" });
  const field = h("input", { type: "text", readonly: true, class: "share-link", "aria-label": "Link to this mosaic", hidden: true });
  const bubble = h("div", { class: "share-bubble", hidden: true }, said, field);
  let timer: number | undefined;
  const close = () => attribute(bubble, "hidden", true);
  const show = (words: string) => {
    attribute(bubble, "hidden", false);
    text(said, words);
  };
  button.addEventListener("click", () => {
    const url = shareLink(location.href, viewer.state.picks, viewer.state.terms);
    window.clearTimeout(timer);
    void copy(url).then((copied) => {
      attribute(field, "hidden", copied);
      if (copied) {
        show("Link copied. It opens these games for anybody with a key.");
        timer = window.setTimeout(close, SAID_MS);
        return;
      }
      // The browser does not let the page copy: there it stands, selected.
      show("Copy this link:");
      field.value = url;
      field.focus();
      field.select();
    });
  });
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    close();
    button.focus();
  });
  viewer.onChange(({ picks }: ViewerState) => attribute(button, "disabled", picks.games.length === 0));
  return h("div", { class: "share" }, button, bubble);
}
