/* files.c - the files of the web page. */
#include "server/files.h"

#include "server/page/page.h"

#include <stdio.h>

/* Whether the client has the file already: its tag is among those that it names. */
static bool is_known(struct answer *a, const struct page_file *file)
{
    const char *tags = MHD_lookup_connection_value(a->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    return tags && (!strcmp(tags, "*") || strstr(tags, file->etag));
}

static bool add_headers(struct MHD_Response *r, const struct page_file *file)
{
    return MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, file->type) &&
           MHD_add_response_header(r, MHD_HTTP_HEADER_ETAG, file->etag) &&
           MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache") &&
           MHD_add_response_header(r, "Content-Security-Policy", PAGE_POLICY) &&
           MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") &&
           MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
}

bool files_answer(struct answer *a, enum MHD_Result *result)
{
    char path[64];
    struct page_file file;
    const size_t n = strcspn(a->target, "?");
    const bool reads = !strcmp(a->method, MHD_HTTP_METHOD_GET) || !strcmp(a->method, MHD_HTTP_METHOD_HEAD);
    if (!reads || n >= sizeof path)
        return false;
    snprintf(path, sizeof path, "%.*s", (int)n, a->target);
    if (!page_find(path, &file))
        return false;
    const bool known = is_known(a, &file);
    struct MHD_Response *r = MHD_create_response_from_buffer(known ? 0 : file.size, (void *)(uintptr_t)file.data,
                                                             MHD_RESPMEM_PERSISTENT);
    if (r && !add_headers(r, &file)) {
        MHD_destroy_response(r);
        r = NULL;
    }
    *result = answer_send(a, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r);
    return true;
}
