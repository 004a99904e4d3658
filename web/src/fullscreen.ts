// Full screen, where a browser has it.

interface AppleVideo extends HTMLVideoElement {
  /** iPhones show nothing but a video on the full screen. */
  webkitEnterFullscreen?: () => void;
}

export function toggleFullScreen(screen: HTMLElement): void {
  if (document.fullscreenElement !== null && document.fullscreenElement !== undefined) {
    void document.exitFullscreen().catch(() => undefined);
    return;
  }
  if (typeof screen.requestFullscreen === "function") {
    // A browser may refuse; the picture is then simply not larger.
    void screen.requestFullscreen().catch(() => undefined);
    return;
  }
  (screen.querySelector("video") as AppleVideo | null)?.webkitEnterFullscreen?.();
}
