/* settings.h - where models come from, as options and environment say: rows of a command's table, under llama.cpp's
 * names, and the variables of Hugging Face's programs. */
#ifndef TOOLS_PULL_SETTINGS_H
#define TOOLS_PULL_SETTINGS_H

#include "tools/common/options.h"
#include "tools/pull/pull.h"

struct pull_settings {
    const char *repo, *file, *token, *cache, *endpoint; /* NULL: not said */
    bool offline;
};
#define PULL_REPO_ROW(s) \
    { OPT_TEXT, "-hf, -hfr, --hf-repo", "ORG/REPO[:TYPE]", "the model of that name on Hugging Face's hub, fetched if " \
      "it is not in the cache; TYPE is q4_k_m, else q8_0, unless given", &(s).repo, 0, 0 }
#define PULL_ROWS(s) \
    { OPT_TEXT, "-hff, --hf-file", "FILE", "take this file of the repository", &(s).file, 0, 0 }, \
    { OPT_TEXT, "-hft, --hf-token", "TOKEN", "for what is not public; default $HF_TOKEN, else what `hf auth login` " \
      "stored", &(s).token, 0, 0 }, \
    { OPT_FLAG, "--offline", NULL, "ask no hub; take what is in the cache", &(s).offline, 0, 0 }
#define PULL_ENVIRONMENT \
    "  HF_ENDPOINT               the hub, in place of https://huggingface.co\n" \
    "  HF_TOKEN                  for what is not public\n" \
    "  HF_HUB_CACHE, HF_HOME     the cache, or the directory that it is in as hub;\n" \
    "                            without them ~/.cache/huggingface/hub\n" \
    "  HF_HUB_OFFLINE=1          as --offline\n"

/** Whether a text that names a model means one of the hub: "hf.co/ORG/REPO", as Ollama's users write it. */
bool pull_is_name(const char *text);

/** The cache, for free(); NULL: memory is out. */
char *pull_cache(const struct pull_settings *settings);

/** Options as settings and environment say; texts live as long as this. */
struct pull_setup {
    struct pull_options o;
    char *cache, *token;
};
infer_status pull_setup_open(struct pull_setup *setup, const struct pull_settings *settings, infer_error *err);
void pull_setup_close(struct pull_setup *setup);

#endif
