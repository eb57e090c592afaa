// Sends a file of any size, and says how much of it is sent: `fetch` cannot tell that.

import { Problem } from "../api.js";

/**
 * Sends `file` as the body of a POST to `url`, and resolves to the answer. `onProgress(sent, total)` is told in bytes;
 * `signal` gives it up. Throws `Problem`, or an `Error` with a sentence for people.
 */
export function upload(url, file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-Raylogue-Page", "1");
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded, total));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Problem(request.status, request.response ?? {}, Number(request.getResponseHeader("Retry-After")) || 0));
    });
    request.addEventListener("error", () => reject(new Error("The connection was lost while the file was sent. Try again.")));
    request.addEventListener("abort", () => reject(new DOMException("Given up.", "AbortError")));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
