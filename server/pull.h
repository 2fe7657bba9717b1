/* pull.h - models of a hub: the first one, and those that POST /api/pull asks for. */
#ifndef SERVER_PULL_H
#define SERVER_PULL_H

#include "infer_service.h"
#include "server/options.h"

/** The path of the model that --hf-repo names, fetched if need be, for free(). go_on is asked often; false stops. */
char *pull_first(const struct server_options *o, bool (*go_on)(void), infer_error *err);
/** For infer_service_options.on_pull; user is the struct server_options. Models land in the first of model_dirs. */
infer_status pull_asked(void *user, const char *name, infer_pull_progress_fn *progress, void *pull, infer_error *err);

#endif
