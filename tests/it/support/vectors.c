/*
 * Reports the motion vectors of an H.264 stream that read outside the picture.
 *
 *     vectors <width> <height> [list] < stream.264
 *
 * The size is the coded one, whole macroblocks, since cropping does not move the edge that prediction sees. With "list" every vector is
 * printed too. The last line holds the totals. Exit status: 0 none outside, 1 some outside, 2 the stream cannot be judged.
 *
 * What libavcodec exports (checked with FFmpeg 5.1): every inter macroblock, skipped and direct ones too, both lists, one vector for
 * each 16x16, 16x8, 8x16 or 8x8. Below 8x8 it gives the first vector of the four alone, as if it held for the whole 8x8. Where one
 * partition of a macroblock uses a list and another does not, the other shows as a zero vector, which is inside anywhere.
 */
#include <libavcodec/avcodec.h>
#include <libavutil/motion_vector.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDED = 20, SUB_8X8 = 0x20 };

static int width, height, list_all, sub_8x8;
static long packets, pictures, vectors, luma_outside, chroma_outside;

static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("vectors: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

/* How many samples a block's prediction reads beyond each end of an axis. */
struct beyond {
    int low, high;
};

/* A vector of whole samples reads the block alone; a fractional one also what its filter needs before and after the block. Every sample
 * counted has a weight other than zero, so what lies beyond the edge does change the prediction. */
static struct beyond reach(int start, int size, int vector, int unit, int before, int after, int limit)
{
    int fraction = vector & (unit - 1);
    int first = start + (vector - fraction) / unit;
    int last = first + size - 1;
    if (fraction) {
        first -= before;
        last += after;
    }
    return (struct beyond){first < 0 ? -first : 0, last >= limit ? last - limit + 1 : 0};
}

/* Quarter samples, six taps. */
static struct beyond luma(int start, int size, int vector, int limit)
{
    return reach(start, size, vector, 4, 2, 3, limit);
}

/* 4:2:0: the same vector counts eighths of a chroma sample, two taps. Blocks and pictures have even sizes, so what keeps luma inside
 * keeps chroma inside; the check is there to show it. */
static struct beyond chroma(int start, int size, int vector, int limit)
{
    return reach(start / 2, size / 2, vector, 8, 0, 1, limit / 2);
}

static void word(const char *plane, struct beyond x, struct beyond y)
{
    const int samples[] = {x.low, x.high, y.low, y.high};
    static const char *const sides[] = {"left", "right", "above", "below"};
    for (int i = 0; i < 4; i++)
        if (samples[i])
            printf("; %s reads %d %s", plane, samples[i], sides[i]);
}

static void check(const AVFrame *frame, const AVMotionVector *v)
{
    if (v->motion_scale != 4)
        fail("vectors come in units of 1/%d sample, not quarters", v->motion_scale);
    /* src = dst + motion / scale: the vector points from the block to its reference. dst is the block's centre. */
    int x = v->dst_x - v->w / 2, y = v->dst_y - v->h / 2;
    if (x < 0 || y < 0 || x + v->w > width || y + v->h > height)
        fail("a %dx%d block at %d,%d is not in the picture", v->w, v->h, x, y);
    struct beyond lx = luma(x, v->w, v->motion_x, width), ly = luma(y, v->h, v->motion_y, height);
    struct beyond cx = chroma(x, v->w, v->motion_x, width), cy = chroma(y, v->h, v->motion_y, height);
    int luma_out = lx.low || lx.high || ly.low || ly.high, chroma_out = cx.low || cx.high || cy.low || cy.high;
    static long worded;

    vectors++;
    luma_outside += luma_out;
    chroma_outside += chroma_out;
    if (!list_all && !((luma_out || chroma_out) && worded++ < WORDED))
        return;
    /* The packet's number came along as its timestamp. */
    printf("picture %ld (%c, coded %ld): %dx%d at %d,%d list %d vector %d,%d", pictures, av_get_picture_type_char(frame->pict_type),
           (long)frame->pts, v->w, v->h, x, y, v->source > 0, v->motion_x, v->motion_y);
    word("luma", lx, ly);
    word("chroma", cx, cy);
    puts(chroma_out && !luma_out ? " (chroma alone)" : "");
}

/* x264 writes its options into the stream; "analyse=intra:inter" tells whether it may split below 8x8. */
static void read_options(const AVFrameSideData *data)
{
    char text[2048];
    size_t size = data->size < sizeof(text) ? data->size : sizeof(text) - 1;
    unsigned inter;
    memcpy(text, data->data, size);
    text[size] = 0;
    const char *found = size > 16 ? strstr(text + 16, " analyse=") : NULL;
    if (found && sscanf(found, " analyse=%*x:%x", &inter) == 1 && inter & SUB_8X8)
        sub_8x8 = 1;
}

static void take_frames(AVCodecContext *decoder, AVFrame *frame)
{
    int result;
    while ((result = avcodec_receive_frame(decoder, frame)) >= 0) {
        if (decoder->coded_width != width || decoder->coded_height != height)
            fail("the coded size is %dx%d", decoder->coded_width, decoder->coded_height);
        if (frame->format != AV_PIX_FMT_YUV420P && frame->format != AV_PIX_FMT_YUVJ420P)
            fail("not 8-bit 4:2:0");
        if (frame->interlaced_frame)
            fail("interlaced");
        if (frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT)
            fail("picture %ld is damaged", pictures);
        for (int i = 0; i < frame->nb_side_data; i++) {
            const AVFrameSideData *data = frame->side_data[i];
            if (data->type == AV_FRAME_DATA_SEI_UNREGISTERED)
                read_options(data);
            if (data->type == AV_FRAME_DATA_MOTION_VECTORS)
                for (size_t j = 0; j < data->size / sizeof(AVMotionVector); j++)
                    check(frame, (const AVMotionVector *)data->data + j);
        }
        pictures++;
        av_frame_unref(frame);
    }
    if (result != AVERROR(EAGAIN) && result != AVERROR_EOF)
        fail("the decoder gave %s", av_err2str(result));
}

static void decode(AVCodecContext *decoder, AVFrame *frame, AVPacket *packet)
{
    int result = avcodec_send_packet(decoder, packet);
    if (result < 0)
        fail("picture %ld does not decode: %s", packets, av_err2str(result));
    take_frames(decoder, frame);
}

int main(int count, char **arguments)
{
    static uint8_t input[65536 + AV_INPUT_BUFFER_PADDING_SIZE];
    list_all = count == 4 && !strcmp(arguments[3], "list");
    if (count != 3 + list_all || (width = atoi(arguments[1])) <= 0 || (height = atoi(arguments[2])) <= 0 || (width | height) & 15)
        fail("usage: vectors <width> <height> [list] < stream.264, the size in whole macroblocks");

    const AVCodec *codec = avcodec_find_decoder_by_name("h264");
    AVCodecParserContext *parser = av_parser_init(AV_CODEC_ID_H264);
    AVCodecContext *decoder = codec ? avcodec_alloc_context3(codec) : NULL;
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    if (!parser || !decoder || !frame || !packet)
        fail("no H.264 decoder");
    decoder->thread_count = 1;
    decoder->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT; /* no picture is held back unseen */
    decoder->flags2 |= AV_CODEC_FLAG2_EXPORT_MVS;
    decoder->err_recognition |= AV_EF_EXPLODE;
    if (avcodec_open2(decoder, codec, NULL) < 0)
        fail("the decoder does not open");

    for (int more = 1; more;) {
        size_t size = fread(input, 1, sizeof(input) - AV_INPUT_BUFFER_PADDING_SIZE, stdin);
        const uint8_t *at = input;
        memset(input + size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
        more = size > 0; /* an empty piece tells the parser that the stream ends */
        do {
            int used = av_parser_parse2(parser, decoder, &packet->data, &packet->size, at, (int)size, 0, 0, 0);
            at += used;
            size -= (size_t)used;
            if (packet->size) {
                packet->pts = packets++;
                decode(decoder, frame, packet);
            }
        } while (size);
    }
    decode(decoder, frame, NULL);
    if (!pictures || pictures != packets)
        fail("%ld pictures came of %ld packets", pictures, packets);

    printf("pictures %ld vectors %ld luma_outside %ld chroma_outside %ld\n", pictures, vectors, luma_outside, chroma_outside);
    if (luma_outside || chroma_outside)
        return 1;
    if (sub_8x8)
        fail("none seen outside, but x264 was allowed partitions below 8x8, whose vectors are not all exported");
    return 0;
}
