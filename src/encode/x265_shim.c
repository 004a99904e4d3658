/* The few calls of libx265 that Quadrille needs, behind a flat interface, as x264_shim.c has those of libx264: the layout of x265_param changes
 * between versions of the library, so C, which has the header at hand, fills it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <x265.h>

typedef struct {
    /* Size of the pictures that are given. */
    int32_t width, height;
    uint32_t fps_num, fps_den;
    int32_t bitrate_kbps;
    int32_t segment_frames;
    int32_t b_pictures;
    /* More than b_pictures. */
    int32_t lookahead_frames;
    /* Whether what lies ahead decides how bits are spent. */
    int32_t tree;
    const char *preset;
    /* Rows that are coded at a time. */
    int32_t threads;
    /* 0: eight bits of BT.709. 1, 2: ten bits of PQ, of HLG, of BT.2020, two bytes a sample. */
    int32_t light;
} quadrille_x265_settings;

/* Threads that one encoder has at most. */
#define MOST_THREADS 64

typedef struct {
    /* Of eight bits or ten. */
    const x265_api *api;
    x265_encoder *encoder;
    x265_picture picture;
    /* libx265 keeps the pointer. */
    char pools[16];
    int32_t threads[MOST_THREADS];
    int32_t thread_count;
} quadrille_x265;

/* As PictureKind counts. */
static const int TYPES[3] = { X265_TYPE_IDR, X265_TYPE_P, X265_TYPE_B };

/* libx265 fills tables of its own when the first encoder opens, without a lock. */
static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

void quadrille_x265_close(quadrille_x265 *self) {
    if (!self) return;
    if (self->encoder) self->api->encoder_close(self->encoder);
    free(self);
}

/* Finds the threads that are called `name`. */
static void find_threads(quadrille_x265 *self, const char *name) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return;
    struct dirent *entry;
    while ((entry = readdir(tasks)) && self->thread_count < MOST_THREADS) {
        char path[64], comm[32] = "";
        int32_t id = atoi(entry->d_name);
        if (id <= 0) continue;
        snprintf(path, sizeof path, "/proc/self/task/%d/comm", id);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (fgets(comm, sizeof comm, file)) comm[strcspn(comm, "\n")] = 0;
        fclose(file);
        if (!strcmp(comm, name)) self->threads[self->thread_count++] = id;
    }
    closedir(tasks);
}

/* Opens the encoder. Its threads are known by their name, which a thread has from the one that made it: libx265 does not say which they are. */
static void open_named(quadrille_x265 *self, x265_param *p) {
    static uint32_t opened;
    char before[16] = "", name[16];
    pthread_mutex_lock(&opening);
    snprintf(name, sizeof name, "x265-%u", opened++ % 1000000);
    prctl(PR_GET_NAME, before);
    prctl(PR_SET_NAME, name);
    self->encoder = self->api->encoder_open(p);
    prctl(PR_SET_NAME, before);
    if (self->encoder) find_threads(self, name);
    pthread_mutex_unlock(&opening);
}

static void fill(x265_param *p, const quadrille_x265_settings *s, char *pools) {
    p->logLevel = X265_LOG_NONE;
    p->sourceWidth = s->width;
    p->sourceHeight = s->height;
    p->internalCsp = X265_CSP_I420;
    p->fpsNum = s->fps_num;
    p->fpsDenom = s->fps_den;
    /* One picture is coded at a time: what comes out hangs on nothing but what went in. Where one thread is too slow, rows side by side. */
    p->frameNumThreads = 1;
    p->bEnableWavefront = s->threads > 1;
    p->numaPools = pools;
    p->bDistributeModeAnalysis = 0;
    p->bDistributeMotionEstimation = 0;
    p->lookaheadThreads = 0;
    p->lookaheadSlices = 0;
    /* IDR pictures come when they are asked for and at no other time. */
    p->keyframeMax = s->segment_frames;
    p->keyframeMin = s->segment_frames;
    p->scenecutThreshold = 0;
    p->bHistBasedSceneCut = 0;
    p->bOpenGOP = 0;
    p->radl = 0;
    p->bIntraRefresh = 0;
    /* Every picture's type is said when it is given; this is only how many B pictures there can be in a row. */
    p->bframes = s->b_pictures;
    p->bFrameAdaptive = X265_B_ADAPT_NONE;
    p->bBPyramid = 0;
    p->lookaheadDepth = s->lookahead_frames;
    /* What is skipped stands still whatever was before it: see mosaic/standstill.rs. */
    p->bEnableTemporalMvp = 0;
    p->bEnableWeightedPred = 0;
    p->bEnableWeightedBiPred = 0;
    p->rc.rateControlMode = X265_RC_ABR;
    p->rc.bitrate = s->bitrate_kbps;
    p->rc.vbvMaxBitrate = s->bitrate_kbps;
    p->rc.vbvBufferSize = s->bitrate_kbps;
    p->rc.bEnableConstVbv = 1;
    p->rc.cuTree = s->tree;
    p->bHighTier = 0;
    p->vui.aspectRatioIdc = 1;
    p->vui.bEnableVideoSignalTypePresentFlag = 1;
    p->vui.videoFormat = 5;
    p->vui.bEnableVideoFullRangeFlag = 0;
    p->vui.bEnableColorDescriptionPresentFlag = 1;
    /* ITU-T H.273: BT.709 in all; or BT.2020, ST 2084 or ARIB STD-B67, BT.2020 of non-constant luminance. Of no display that all games were mastered on, nor of their
     * brightest, is anything true: nothing is said. */
    static const int transfers[3] = { 1, 16, 18 };
    p->vui.colorPrimaries = s->light ? 9 : 1;
    p->vui.transferCharacteristics = transfers[s->light];
    p->vui.matrixCoeffs = s->light ? 9 : 1;
    /* Boxes that go by the message alone (ETSI TS 101 154, 5.14.4.4.3) find it, too: ITU-T H.265, D.2.38, with each IDR picture. */
    if (s->light == 2) p->preferredTransferCharacteristics = 18;
    p->bEnableAccessUnitDelimiters = 0;
    p->bEmitHRDSEI = 0;
    p->bEmitInfoSEI = 0;
    p->decodedPictureHashSEI = 0;
    p->bEnableTemporalSubLayers = 0;
    p->bAnnexB = 0;
    p->bRepeatHeaders = 0;
}

/* NULL when libx265 refuses the settings. */
quadrille_x265 *quadrille_x265_open(const quadrille_x265_settings *s) {
    const x265_api *api = x265_api_get(s->light ? 10 : 8);
    if (!api) return NULL;
    x265_param *p = api->param_alloc();
    quadrille_x265 *self = calloc(1, sizeof *self);
    if (self) self->api = api;
    if (p && self && api->param_default_preset(p, s->preset, NULL) >= 0) {
        if (s->threads > 1) snprintf(self->pools, sizeof self->pools, "%d", s->threads);
        else snprintf(self->pools, sizeof self->pools, "none");
        fill(p, s, self->pools);
        if (api->param_apply_profile(p, s->light ? "main10" : "main") >= 0) {
            api->picture_init(p, &self->picture);
            open_named(self, p);
        }
    }
    if (p) api->param_free(p);
    if (self && !self->encoder) {
        quadrille_x265_close(self);
        return NULL;
    }
    return self;
}

/* Copies the first NAL unit of type `type` (32 VPS, 33 SPS, 34 PPS) without its length into `out`; its size, or -1. */
int32_t quadrille_x265_parameter_set(quadrille_x265 *self, int32_t type, uint8_t *out, int32_t room) {
    x265_nal *nals;
    uint32_t count;
    if (self->api->encoder_headers(self->encoder, &nals, &count) < 0) return -1;
    for (uint32_t i = 0; i < count; i++) {
        int32_t size = (int32_t)nals[i].sizeBytes - 4;
        if ((int32_t)nals[i].type == type && size > 0 && size <= room) {
            memcpy(out, nals[i].payload + 4, (size_t)size);
            return size;
        }
    }
    return -1;
}

/* Processor time that threads of its own have taken, in nanoseconds. */
int64_t quadrille_x265_threads_cpu(quadrille_x265 *self) {
    int64_t all = 0;
    for (int32_t i = 0; i < self->thread_count; i++) {
        /* The kernel's number for the clock of one thread, by the thread's number. */
        clockid_t clock = (clockid_t)(~(uint32_t)self->threads[i] << 3 | 6);
        struct timespec taken;
        if (clock_gettime(clock, &taken) == 0) all += (int64_t)taken.tv_sec * 1000000000 + taken.tv_nsec;
    }
    return all;
}

/* One call of the encoder: the size in bytes of what came out, with *out pointing at it until the next call, 0 for nothing yet, or negative. */
static int32_t coded(quadrille_x265 *self, x265_picture *in, const uint8_t **out, int64_t *out_pts, int32_t *out_idr) {
    x265_nal *nals = NULL;
    uint32_t count = 0;
    x265_picture written;
    memset(&written, 0, sizeof written);
    int came = self->api->encoder_encode(self->encoder, &nals, &count, in, &written);
    if (came < 0) return -1;
    if (came == 0 || count == 0) return 0;
    int32_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        /* They lie one after the other. */
        if (nals[i].payload != nals[0].payload + size) return -1;
        size += (int32_t)nals[i].sizeBytes;
    }
    *out = nals[0].payload;
    *out_pts = written.pts;
    *out_idr = written.sliceType == X265_TYPE_IDR;
    return size;
}

/* Takes one picture of kind `kind` (an index of TYPES) in; another may come out, whose `pts` says which. */
int32_t quadrille_x265_encode(quadrille_x265 *self, const uint8_t *const planes[3], const int32_t strides[3], int64_t pts,
                              int32_t kind, const uint8_t **out, int64_t *out_pts, int32_t *out_idr) {
    x265_picture *picture = &self->picture;
    picture->sliceType = TYPES[kind];
    picture->pts = pts;
    for (int i = 0; i < 3; i++) {
        /* libx265 takes a plain pointer, and copies what it points at. */
        picture->planes[i] = (void *)planes[i];
        picture->stride[i] = strides[i];
    }
    return coded(self, picture, out, out_pts, out_idr);
}

/* One of the pictures that are still inside; 0 when there is none. Nothing more can be taken in after this. */
int32_t quadrille_x265_drain(quadrille_x265 *self, const uint8_t **out, int64_t *out_pts, int32_t *out_idr) {
    return coded(self, NULL, out, out_pts, out_idr);
}
