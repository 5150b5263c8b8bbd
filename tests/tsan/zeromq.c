/* Tells ThreadSanitizer about an order that it cannot see in a library built without it: a thread's work before a
 * send precedes another's work after a receive. It is not told which message: races of threads that happen to
 * exchange others at the time stay unseen. */
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>
#include <zmq.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char order;

int zmq_msg_send(zmq_msg_t *message, void *socket, int flags) {
    __tsan_release(&order);
    return REAL(zmq_msg_send)(message, socket, flags);
}

int zmq_msg_recv(zmq_msg_t *message, void *socket, int flags) {
    int size = REAL(zmq_msg_recv)(message, socket, flags);
    __tsan_acquire(&order);
    return size;
}

int zmq_sendmsg(void *socket, zmq_msg_t *message, int flags) {
    __tsan_release(&order);
    return REAL(zmq_sendmsg)(socket, message, flags);
}

int zmq_recvmsg(void *socket, zmq_msg_t *message, int flags) {
    int size = REAL(zmq_recvmsg)(socket, message, flags);
    __tsan_acquire(&order);
    return size;
}
