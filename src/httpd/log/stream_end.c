#include "httpd/log/stream_end.h"

#include "http_log.h"

#include "httpd/base/module.h"

APLOG_USE_MODULE(mercure);

void mrc_log_stream_end(request_rec *r, enum mrc_end end)
{
    apr_table_setn(r->notes, "mercure-reason", mrc_end_text(end));
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "MRC1001: stream ended: %s", mrc_end_text(end));
}
