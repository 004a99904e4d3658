// A small picture of art: its file, and of a clip how it looks in a layout's slots, since no `<img>` shows the file.

import type { Layout } from "../../api";
import { h, text } from "../../dom";
import { filePath, previewPath, type Asset } from "../api";
import { isClip, kindOf, lookedAtIn } from "../art";
import type { Pictures } from "./pictures";

export interface AssetStill {
  readonly element: HTMLElement;
  show(asset: Asset, layouts: readonly Layout[]): void;
}

export function assetStill(pictures: Pictures): AssetStill {
  const image = h("img", { alt: "", hidden: true });
  // Behind the picture, for as long as there is none.
  const kind = h("span", { class: "asset-kind", "aria-hidden": "true" });
  return {
    element: h("span", { class: "asset-still" }, kind, image),
    show: (asset, layouts) => {
      const place = lookedAtIn(layouts);
      const preview = place === null ? null : previewPath(asset.id, place.layout, place.slot);
      pictures.show(image, isClip(asset) ? preview : filePath(asset.id));
      text(kind, isClip(asset) ? kindOf(asset) : "");
    },
  };
}
