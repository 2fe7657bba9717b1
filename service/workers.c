/* workers.c - threads for what may wait. */
#include "service/workers.h"

#include <stdlib.h>

static void *work(void *user)
{
    struct workers *const w = user;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->n && !w->stop)
            pthread_cond_wait(&w->more, &w->lock);
        if (!w->n)
            break;
        const struct work next = w->queue[w->first];
        w->first = (w->first + 1) % w->max;
        w->n--;
        pthread_mutex_unlock(&w->lock);
        next.fn(next.user);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

bool workers_start(struct workers *w, int n, size_t max)
{
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    w->max = max;
    w->queue = calloc(max, sizeof *w->queue);
    while (w->queue && w->n_threads < n && !pthread_create(&w->threads[w->n_threads], NULL, work, w))
        w->n_threads++;
    return w->n_threads > 0;
}

void workers_stop(struct workers *w)
{
    if (!w->max)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
    free(w->queue);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->more);
}

bool workers_add(struct workers *w, void (*fn)(void *user), void *user)
{
    pthread_mutex_lock(&w->lock);
    const bool room = w->n < w->max;
    if (room) {
        w->queue[(w->first + w->n++) % w->max] = (struct work){ fn, user };
        pthread_cond_signal(&w->more);
    }
    pthread_mutex_unlock(&w->lock);
    return room;
}
