/* Memory that malloc keeps, back to the system. */
#ifndef LISTENER_MEMORY_H
#define LISTENER_MEMORY_H

/* Returns free pages of the heap. It walks the heap, so call it when nobody waits. */
void memory_give_back(void);

#endif
