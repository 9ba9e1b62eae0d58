// Entry of the web interface.
import "@mantine/core/styles.layer.css";
import "./app/theme.css";

import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { createQueryClient } from "./app/query-client";
import { createAppRouter } from "./app/router";
import { cspNonce, ThemeProvider } from "./app/theme";
import { startI18n } from "./i18n";

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}

async function start(root: HTMLElement): Promise<void> {
  setNonce(cspNonce());
  await startI18n();
  const queryClient = createQueryClient();
  const router = createAppRouter(queryClient);
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <ThemeProvider>
          <RouterProvider router={router} />
        </ThemeProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element #root");
void start(root);
