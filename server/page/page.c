/* page.c - the page's files as they are in this folder, in the program's read-only data. */
#include "server/page/page.h"

#include <string.h>

/* Name of the symbols, file, type. The build gives PAGE_ETAG, one hash of them all: modules are of one make, and get
   old together. */
#define FOR_EACH_FILE(X)                                                                                               \
    X(index, "index.html", "text/html")                                                                                \
    X(style, "page.css", "text/css")                                                                                   \
    X(icon, "icon.svg", "image/svg+xml")                                                                               \
    X(api, "api.js", "text/javascript")                                                                                \
    X(chat, "chat.js", "text/javascript")                                                                              \
    X(chats, "chats.js", "text/javascript")                                                                            \
    X(inline, "inline.js", "text/javascript")                                                                          \
    X(markdown, "markdown.js", "text/javascript")                                                                      \
    X(notice, "notice.js", "text/javascript")                                                                          \
    X(page, "page.js", "text/javascript")                                                                              \
    X(settings, "settings.js", "text/javascript")                                                                      \
    X(storage, "storage.js", "text/javascript")                                                                        \
    X(store, "store.js", "text/javascript")                                                                            \
    X(text, "text.js", "text/javascript")                                                                              \
    X(theme, "theme.js", "text/javascript")                                                                            \
    X(view, "view.js", "text/javascript")                                                                              \
    X(writer, "writer.js", "text/javascript")

#define EMBED(symbol, file, type)                                                                                      \
    __asm__(".section .rodata\n"                                                                                       \
            ".global page_" #symbol "_start\n"                                                                         \
            ".hidden page_" #symbol "_start\n"                                                                         \
            "page_" #symbol "_start:\n"                                                                                \
            ".incbin \"server/page/" file "\"\n"                                                                       \
            ".global page_" #symbol "_end\n"                                                                           \
            ".hidden page_" #symbol "_end\n"                                                                           \
            "page_" #symbol "_end:\n"                                                                                  \
            ".previous\n");                                                                                            \
    extern const unsigned char page_##symbol##_start[] __attribute__((visibility("hidden")));                          \
    extern const unsigned char page_##symbol##_end[] __attribute__((visibility("hidden")));
FOR_EACH_FILE(EMBED)

static const struct {
    const char *path;
    const char *type;
    const unsigned char *start, *end;
} files[] = {
#define ROW(symbol, file, type) { "/" file, type "; charset=utf-8", page_##symbol##_start, page_##symbol##_end },
    FOR_EACH_FILE(ROW)
};

bool page_find(const char *path, struct page_file *found)
{
    if (strcmp(path, "/") == 0)
        path = files[0].path;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(path, files[i].path) != 0)
            continue;
        *found = (struct page_file){ files[i].start, (size_t)(files[i].end - files[i].start), files[i].type,
                                     "\"" PAGE_ETAG "\"" };
        return true;
    }
    return false;
}
