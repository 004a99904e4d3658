// What went wrong, in words; and a line that tells a screen reader what happened.

import { attribute, h, icon, text } from "../dom";
import type { Viewer, ViewerState } from "../viewer";

export function notice(viewer: Viewer, retry: () => void): HTMLElement {
  const title = h("strong", {});
  const detail = h("span", { class: "notice-detail" });
  const advice = h("span", { class: "notice-advice" });
  const code = h("code", {});
  const again = h("button", { type: "button", class: "quiet-button" }, "Try again");
  again.addEventListener("click", () => {
    viewer.dismissProblem();
    retry();
  });
  const close = h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", title: "Dismiss" }, icon("close"));
  close.addEventListener("click", () => viewer.dismissProblem());
  const box = h("div", { class: "notice-box", hidden: true }, icon("alert"), h("p", {}, title, " ", detail, " ", advice, " ", code), again, close);
  viewer.onChange(({ problem }: ViewerState) => {
    attribute(box, "hidden", problem === null);
    if (problem === null) return;
    text(title, problem.title.replace(/[.\s]*$/, "."));
    text(detail, problem.detail);
    text(advice, problem.advice);
    text(code, problem.code);
    attribute(again, "hidden", !problem.canRetry);
  });
  // The live region stays in the page: one that appears with its text is not read out.
  return h("div", { class: "notice", role: "alert" }, box);
}

export function announcer(viewer: Viewer): HTMLElement {
  const line = h("p", { class: "said", role: "status", "aria-live": "polite" });
  viewer.onChange((state: ViewerState) => text(line, state.said));
  return line;
}
