/** The version of the wire: raised when a request or an answer changes its meaning. */
export const apiVersion = 4;
