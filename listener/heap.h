/* Memory that malloc keeps, back to the system. */
#ifndef LISTENER_HEAP_H
#define LISTENER_HEAP_H

/* Returns free pages of the heap. It walks the heap, so call it when nobody waits. */
void heap_give_back(void);

#endif
