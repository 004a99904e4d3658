/* The few calls of our libx264 (x264/tiles.patch) that Quadrille needs, behind a flat interface: the layout of x264_param_t changes between
 * versions of the library, so C, which has the header at hand, fills it, and Rust sees only what is below. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <x264.h>

/* Reference pictures of every encoder: part of the SPS. */
#define QUADRILLE_REFERENCES 1

typedef struct {
    /* Size of the pictures that are given. */
    int32_t width, height;
    uint32_t fps_num, fps_den;
    int32_t bitrate_kbps;
    int32_t segment_frames;
    int32_t b_pictures;
    int32_t lookahead_frames;
    int32_t level_idc;
    const char *preset;
    /* Whether the picture is a tile of a stitched mosaic. */
    int32_t tile;
    /* Frames that are coded at a time: each beyond the first holds one more back. */
    int32_t threads;
} quadrille_x264_settings;

typedef struct {
    x264_t *encoder;
    x264_picture_t picture;
} quadrille_x264;

/* As PictureKind counts. */
static const int TYPES[3] = { X264_TYPE_IDR, X264_TYPE_P, X264_TYPE_B };

void quadrille_x264_close(quadrille_x264 *self) {
    if (!self) return;
    if (self->encoder) x264_encoder_close(self->encoder);
    free(self);
}

/* NULL when libx264 refuses the settings, or is another one than ours. */
quadrille_x264 *quadrille_x264_open(const quadrille_x264_settings *s) {
    x264_param_t p;
    if (!quadrille_x264_tiles) return NULL;
    if (x264_param_default_preset(&p, s->preset, NULL) < 0) return NULL;
    p.i_log_level = X264_LOG_NONE;
    p.i_threads = s->threads;
    p.i_lookahead_threads = 1;
    p.b_sliced_threads = 0;
    p.b_deterministic = 1;
    p.i_width = s->width;
    p.i_height = s->height;
    p.i_csp = X264_CSP_I420;
    p.i_fps_num = s->fps_num;
    p.i_fps_den = s->fps_den;
    p.i_timebase_num = s->fps_den;
    p.i_timebase_den = s->fps_num;
    p.b_vfr_input = 0;
    p.i_level_idc = s->level_idc;
    /* IDR pictures come when they are asked for and at no other time. */
    p.i_keyint_max = s->segment_frames;
    p.i_keyint_min = s->segment_frames;
    p.i_scenecut_threshold = 0;
    p.b_open_gop = 0;
    p.b_intra_refresh = 0;
    /* Every picture's type is said when it is given; this is only how many B pictures there can be in a row. */
    p.i_bframe = s->b_pictures;
    p.i_bframe_adaptive = X264_B_ADAPT_NONE;
    p.i_bframe_pyramid = X264_B_PYRAMID_NONE;
    p.analyse.i_direct_mv_pred = X264_DIRECT_PRED_SPATIAL;
    p.analyse.b_weighted_bipred = 1;
    p.analyse.i_weighted_pred = X264_WEIGHTP_NONE;
    p.rc.i_lookahead = s->lookahead_frames;
    p.i_sync_lookahead = 0;
    p.rc.b_mb_tree = s->lookahead_frames > 0;
    p.rc.i_rc_method = X264_RC_ABR;
    p.rc.i_bitrate = s->bitrate_kbps;
    p.rc.i_vbv_max_bitrate = s->bitrate_kbps;
    p.rc.i_vbv_buffer_size = s->bitrate_kbps;
    p.vui.i_sar_width = 1;
    p.vui.i_sar_height = 1;
    p.vui.i_vidformat = 5;
    p.vui.b_fullrange = 0;
    p.vui.i_colorprim = 1;
    p.vui.i_transfer = 1;
    p.vui.i_colmatrix = 1;
    p.b_cabac = 1;
    p.analyse.b_transform_8x8 = 1;
    /* What follows makes SPS, PPS and slice headers the same whatever the preset and the content: canvases and tiles of a
     * rendition are decoded with one pair of parameter sets. */
    p.b_stitchable = 1;
    p.i_frame_reference = QUADRILLE_REFERENCES;
    p.i_cqm_preset = X264_CQM_FLAT;
    p.b_constrained_intra = 0;
    /* From subme 6 on, libx264 lowers the chroma QP by two for its psychovisual decisions: undone, it is part of the PPS. */
    p.analyse.i_chroma_qp_offset =
        p.analyse.b_psy && p.analyse.i_subpel_refine >= 6 && p.analyse.f_psy_rd >= 0.25f ? 2 : 0;
    p.analyse.f_psy_trellis = 0;
    if (s->tile) {
        p.b_tile = 1;
        /* A slice for each macroblock row: a mosaic's row is then its tiles' slices one after the other. */
        p.i_slice_max_mbs = (s->width + 15) / 16;
    }
    p.b_aud = 0;
    p.b_annexb = 0;
    p.b_repeat_headers = 0;
    if (x264_param_apply_profile(&p, "high") < 0) return NULL;

    quadrille_x264 *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    x264_picture_init(&self->picture);
    self->encoder = x264_encoder_open(&p);
    if (!self->encoder) {
        quadrille_x264_close(self);
        return NULL;
    }
    return self;
}

/* Copies the first NAL unit of type `type` (7 SPS, 8 PPS) without its length into `out`; its size, or -1. */
int32_t quadrille_x264_parameter_set(quadrille_x264 *self, int32_t type, uint8_t *out, int32_t room) {
    x264_nal_t *nals;
    int count;
    if (x264_encoder_headers(self->encoder, &nals, &count) < 0) return -1;
    for (int i = 0; i < count; i++) {
        int32_t size = nals[i].i_payload - 4;
        if (nals[i].i_type == type && size > 0 && size <= room) {
            memcpy(out, nals[i].p_payload + 4, (size_t)size);
            return size;
        }
    }
    return -1;
}

/* What came out: its size in bytes with *out pointing at it until the next call, 0 for nothing yet, or negative. */
static int32_t coded(int size, const x264_nal_t *nals, const x264_picture_t *written, const uint8_t **out, int64_t *out_pts,
                     int32_t *out_idr) {
    if (size > 0) {
        *out = nals[0].p_payload;
        *out_pts = written->i_pts;
        *out_idr = written->b_keyframe;
    }
    return size;
}

/* Processor time that threads other than the callers' have taken, in nanoseconds. */
int64_t quadrille_x264_threads_cpu(quadrille_x264 *self) {
    return quadrille_x264_threads_cpu_ns(self->encoder);
}

/* Takes one picture of kind `kind` (an index of TYPES) in; another may come out, whose `pts` says which. */
int32_t quadrille_x264_encode(quadrille_x264 *self, const uint8_t *const planes[3], const int32_t strides[3], int64_t pts,
                              int32_t kind, const uint8_t **out, int64_t *out_pts, int32_t *out_idr) {
    x264_nal_t *nals;
    int count;
    x264_picture_t written;
    x264_picture_t *picture = &self->picture;
    picture->i_type = TYPES[kind];
    picture->i_pts = pts;
    picture->img.i_csp = X264_CSP_I420;
    picture->img.i_plane = 3;
    for (int i = 0; i < 3; i++) {
        /* libx264 takes a plain pointer but only reads the input planes. */
        picture->img.plane[i] = (uint8_t *)planes[i];
        picture->img.i_stride[i] = strides[i];
    }
    int size = x264_encoder_encode(self->encoder, &nals, &count, picture, &written);
    return coded(size, nals, &written, out, out_pts, out_idr);
}

/* One of the pictures that are still inside; 0 when there is none. Nothing more can be taken in after this. */
int32_t quadrille_x264_drain(quadrille_x264 *self, const uint8_t **out, int64_t *out_pts, int32_t *out_idr) {
    x264_nal_t *nals;
    int count;
    x264_picture_t written;
    while (x264_encoder_delayed_frames(self->encoder) > 0) {
        int size = x264_encoder_encode(self->encoder, &nals, &count, NULL, &written);
        if (size != 0) return coded(size, nals, &written, out, out_pts, out_idr);
    }
    return 0;
}
