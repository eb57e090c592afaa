// The sidebar on a narrow screen: a drawer over the conversation.

export class Drawer {
  #panel = document.getElementById("sidebar");
  #main = document.getElementById("main");
  #backdrop = document.getElementById("backdrop");
  #opener = null;

  constructor() {
    this.#backdrop.addEventListener("click", () => this.close());
  }

  get isOpen() {
    return !this.#backdrop.hidden;
  }

  open() {
    this.#opener = document.activeElement;
    this.#set(true);
    this.#panel.querySelector("button, a").focus();
  }

  close() {
    if (!this.isOpen) return;
    this.#set(false);
    this.#opener?.focus();
  }

  #set(isOpen) {
    this.#panel.classList.toggle("open", isOpen);
    this.#backdrop.hidden = !isOpen;
    this.#main.inert = isOpen;
  }
}
