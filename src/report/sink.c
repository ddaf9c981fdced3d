#include "report/report.h"

static bool pass_on(struct report_sink *sink)
{
    if (sink->text.failed || (sink->text.size && !sink->write(sink->context, sink->text.data, sink->text.size)))
        sink->stopped = true;
    sink->text.size = 0;
    return !sink->stopped;
}

bool report_checkpoint(struct report_sink *sink)
{
    if (sink->stopped)
        return false;
    return sink->text.size < REPORT_PIECE_SIZE && !sink->text.failed ? true : pass_on(sink);
}

bool report_finish(struct report_sink *sink)
{
    bool written = !sink->stopped && pass_on(sink);
    text_free(&sink->text);
    return written;
}
