/* openapi.c - GET /openapi.json: the routes, described for programs. scripts/openapi writes the file. */
#include "service/own.h"

__asm__(".section .rodata\n"
        ".global openapi_start\n"
        ".hidden openapi_start\n"
        "openapi_start:\n"
        ".incbin \"service/openapi.json\"\n"
        ".global openapi_end\n"
        ".hidden openapi_end\n"
        "openapi_end:\n"
        ".previous\n");
extern const char openapi_start[] __attribute__((visibility("hidden")));
extern const char openapi_end[] __attribute__((visibility("hidden")));

void openapi(infer_exchange *x)
{
    exchange_answer(x, 200, "application/json", openapi_start, (size_t)(openapi_end - openapi_start));
}
