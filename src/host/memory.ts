/** The kernel counts what it kills for want of memory; which process it was, only the kernel's own log says. */
export const memoryText = "while the kernel killed for want of memory";
