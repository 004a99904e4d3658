//! Playlists of images for scrubbing.

use super::super::rule::{Level, Rule, rules};

rules! {
    KIND Error "image-playlist" "Image Media Playlist 0.4" "A playlist of EXT-X-IMAGE-STREAM-INF has EXT-X-IMAGES-ONLY.";
    CODECS Warning "image-codecs" "Image Media Playlist 0.4" "EXT-X-IMAGE-STREAM-INF says CODECS, an image format such as jpeg.";
    NO_RESOLUTION Warning "image-resolution-missing" "device: Shaka" "EXT-X-IMAGE-STREAM-INF says its RESOLUTION, that of a tile.";
    MAP Error "image-map" "Image Media Playlist 0.4" "Images need no EXT-X-MAP.";
    LAYOUT_EMPTY Error "image-layout-empty" "Image Media Playlist 0.4" "LAYOUT and RESOLUTION of EXT-X-TILES are not 0.";
    TILES_SHORT Error "image-tiles-short" "Image Media Playlist 0.4" "EXTINF is no longer than all tiles of the image stand.";
    LAYOUT_CHANGES Warning "image-layout-changes" "device: Shaka" "All images of a playlist have the same LAYOUT.";
    RESOLUTION_DIFFERS Warning "image-resolution-differs" "device: Shaka" "EXT-X-TILES and EXT-X-IMAGE-STREAM-INF have the same RESOLUTION.";
    GAPS_ALONE Warning "image-gaps-alone" "device: Shaka" "A playlist of images lists one that is no gap.";
    FORMAT Error "image-format" "Image Media Playlist 0.4" "An image is JPEG, PNG, GIF, WebP or AVIF.";
    SIZE Error "image-size" "Image Media Playlist 0.4" "An image is as large as RESOLUTION and LAYOUT say.";
    BANDWIDTH Warning "image-bandwidth-exceeded" "Image Media Playlist 0.4" "BANDWIDTH of EXT-X-IMAGE-STREAM-INF is that of its peaks.";
}
