#include "cli/output.h"

#include "base/transfer.h"
#include "cli/message.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool begins_with(const char *path, const char *start)
{
    return !strncmp(path, start, strlen(start));
}

/* Something to be written into, not replaced: /dev/null, /dev/stdout, a pipe. */
static bool is_direct(const char *path, const struct stat *status)
{
    return !S_ISREG(status->st_mode) || begins_with(path, "/dev/") || begins_with(path, "/proc/");
}

/* Of a symbolic link, its file is what gets replaced. */
static bool find_destination(struct output *output)
{
    struct stat status;
    if (stat(output->path, &status) < 0) {
        if (errno != ENOENT)
            return false;
        output->destination = strdup(output->path);
    } else if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return false;
    } else if (is_direct(output->path, &status)) {
        output->direct = true;
        return access(output->path, W_OK) == 0;
    } else {
        output->destination = realpath(output->path, NULL);
    }
    return output->destination;
}

static bool folder_is_writable(const char *path)
{
    char *copy = strdup(path);
    bool writable = copy && access(dirname(copy), W_OK | X_OK) == 0;
    int error = errno;
    free(copy);
    errno = error;
    return writable;
}

bool output_prepare(struct output *output, const char *path)
{
    *output = (struct output){.path = path, .fd = path ? -1 : STDOUT_FILENO};
    if (!path)
        return true;
    if (find_destination(output) && (output->direct || folder_is_writable(output->destination)))
        return true;
    message("cannot write to %s: %s", path, strerror(errno));
    free(output->destination);
    return false;
}

static bool open_file(struct output *output)
{
    if (output->direct) {
        output->fd = open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return output->fd >= 0;
    }
    /* Beside the file, so that the rename is one step of the same file system. */
    const char *slash = strrchr(output->destination, '/');
    int folder_size = slash ? (int)(slash + 1 - output->destination) : 0;
    if (asprintf(&output->temporary, "%.*s.pystander-XXXXXX", folder_size, output->destination) < 0) {
        output->temporary = NULL;
        errno = ENOMEM;
        return false;
    }
    output->fd = mkostemp(output->temporary, O_CLOEXEC);   /* mode 0600 */
    if (output->fd < 0) {
        int error = errno;
        free(output->temporary);
        output->temporary = NULL;
        errno = error;
    }
    return output->fd >= 0;
}

bool output_open(struct output *output)
{
    if (output->fd < 0 && !output->error && !open_file(output))
        output->error = errno;
    return !output->error;
}

bool output_write(void *context, const char *data, size_t size)
{
    struct output *output = context;
    return output_open(output) && transfer_write(output->fd, data, size, &output->error) == size;
}

bool output_finish(struct output *output, bool complete)
{
    if (output->path && output->fd >= 0 && close(output->fd) < 0 && !output->error)
        output->error = errno;
    if (output->temporary) {
        bool keep = complete && !output->error;
        if (keep && rename(output->temporary, output->destination) < 0) {
            output->error = errno;
            keep = false;
        }
        if (!keep)
            unlink(output->temporary);
    }
    free(output->temporary);
    free(output->destination);
    if (output->error && output->error != EPIPE)
        message("cannot write to %s: %s", output->path ? output->path : "standard output",
                strerror(output->error));
    return complete && !output->error;
}

size_t output_get_width(const struct output *output)
{
    struct winsize size;
    if (output->path || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col ? size.ws_col : 80;
}
