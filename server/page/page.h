/* page.h - the page for people that the server has at "/": its files, compiled in. */
#ifndef SERVER_PAGE_PAGE_H
#define SERVER_PAGE_PAGE_H

#include <stdbool.h>
#include <stddef.h>

/* The Content-Security-Policy to serve its files with: only they are loaded, only this server is asked, and no script
   makes markup of text. */
#define PAGE_POLICY                                                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "   \
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

struct page_file {
    const unsigned char *data; /* whole as long as the program runs */
    size_t size;               /* bytes */
    const char *type;          /* for Content-Type */
    const char *etag;          /* in its quotes; it changes when any file of the page does */
};

/* The file that a request's path ("/", "/page.js"; without query) names. Returns false if none does. Safe from any
   thread. */
bool page_find(const char *path, struct page_file *found);

#endif
