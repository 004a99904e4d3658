// Copying a text.

/** Copies `text`. Answers whether that worked; it must be called while a press or a key is handled. */
export async function copy(text: string): Promise<boolean> {
  try {
    // Not there on plain HTTP to another host.
    if (navigator.clipboard === undefined) return copyBySelecting(text);
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelecting(text);
  }
}

/** The way of before there was a clipboard to ask for: select it and say "copy". */
function copyBySelecting(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "said";
  field.setAttribute("aria-hidden", "true");
  field.readOnly = true;
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  }
}
