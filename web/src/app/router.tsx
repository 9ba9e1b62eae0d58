// Routes of the interface. The URL holds everything that a page shows; pages are loaded when they are opened.
import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";

import { sessionQuery } from "../api/session";
import { SignInPage } from "../features/session/sign-in-page";
import { FailedPage, MissingPage, PendingPage, Root } from "./errors";
import * as search from "./search";
import { Shell } from "./shell";

interface RouterContext {
  queryClient: QueryClient;
}

const rootRoute = createRootRouteWithContext<RouterContext>()({ component: Root });

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  validateSearch: search.signIn,
  component: SignInPage,
});

const appRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "app",
  beforeLoad: async ({ context, location }) => {
    const session = await context.queryClient.ensureQueryData(sessionQuery);
    if (session === null) throw redirect({ to: "/sign-in", search: { next: location.href } });
  },
  component: Shell,
});

const home = createRoute({
  getParentRoute: () => appRoute,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/runs", replace: true });
  },
});

const runs = createRoute({
  getParentRoute: () => appRoute,
  path: "/runs",
  validateSearch: search.runs,
  component: lazyRouteComponent(() => import("../features/run-list/runs-page"), "RunsPage"),
});

const startRun = createRoute({
  getParentRoute: () => appRoute,
  path: "/runs/new",
  validateSearch: search.startRun,
  component: lazyRouteComponent(() => import("../features/start/start-page"), "StartPage"),
});

const run = createRoute({
  getParentRoute: () => appRoute,
  path: "/runs/$runId",
  validateSearch: search.run,
  component: lazyRouteComponent(() => import("../features/runs/run-page"), "RunPage"),
});

const models = createRoute({
  getParentRoute: () => appRoute,
  path: "/models",
  component: lazyRouteComponent(() => import("../features/models/models-page"), "ModelsPage"),
});

const model = createRoute({
  getParentRoute: () => appRoute,
  path: "/models/$name",
  validateSearch: search.model,
  component: lazyRouteComponent(() => import("../features/models/model-page"), "ModelPage"),
});

const version = createRoute({
  getParentRoute: () => appRoute,
  path: "/models/$name/versions/$number",
  component: lazyRouteComponent(() => import("../features/models/version-page"), "VersionPage"),
});

const review = createRoute({
  getParentRoute: () => appRoute,
  path: "/review",
  validateSearch: search.review,
  component: lazyRouteComponent(() => import("../features/review/queue-page"), "QueuePage"),
});

const reviewDocument = createRoute({
  getParentRoute: () => appRoute,
  path: "/review/$documentId",
  validateSearch: search.review,
  component: lazyRouteComponent(() => import("../features/review/review-page"), "ReviewPage"),
});

const data = createRoute({
  getParentRoute: () => appRoute,
  path: "/data",
  beforeLoad: () => {
    throw redirect({ to: "/data/documents", replace: true });
  },
});

const documents = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/documents",
  validateSearch: search.documents,
  component: lazyRouteComponent(() => import("../features/data/documents-page"), "DocumentsPage"),
});

const documentRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/documents/$documentId",
  component: lazyRouteComponent(() => import("../features/data/document-page"), "DocumentPage"),
});

const imports = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/imports",
  component: lazyRouteComponent(() => import("../features/data/imports-page"), "ImportsPage"),
});

const importRoute = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/imports/$importId",
  component: lazyRouteComponent(() => import("../features/data/import-page"), "ImportPage"),
});

const datasets = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/datasets",
  component: lazyRouteComponent(() => import("../features/data/datasets-page"), "DatasetsPage"),
});

const dataset = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/datasets/$datasetId",
  component: lazyRouteComponent(() => import("../features/data/dataset-page"), "DatasetPage"),
});

const fields = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/fields",
  component: lazyRouteComponent(() => import("../features/data/fields-page"), "FieldsPage"),
});

const operations = createRoute({
  getParentRoute: () => appRoute,
  path: "/operations",
  validateSearch: search.operations,
  component: lazyRouteComponent(() => import("../features/operations/operations-page"), "OperationsPage"),
});

const compare = createRoute({
  getParentRoute: () => appRoute,
  path: "/compare",
  validateSearch: search.compare,
  component: lazyRouteComponent(() => import("../features/compare/compare-page"), "ComparePage"),
});

const datasetDiff = createRoute({
  getParentRoute: () => appRoute,
  path: "/data/diff/$from/$to",
  component: lazyRouteComponent(() => import("../features/data/diff-page"), "DiffPage"),
});

const access = createRoute({
  getParentRoute: () => appRoute,
  path: "/admin",
  validateSearch: search.access,
  component: lazyRouteComponent(() => import("../features/access/access-page"), "AccessPage"),
});

const pages = [
  home,
  runs,
  startRun,
  run,
  models,
  model,
  version,
  review,
  reviewDocument,
  data,
  documents,
  documentRoute,
  imports,
  importRoute,
  datasets,
  dataset,
  fields,
  operations,
  access,
  compare,
  datasetDiff,
] as const;

export function createAppRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree: rootRoute.addChildren([signInRoute, appRoute.addChildren(pages)]),
    context: { queryClient },
    defaultNotFoundComponent: MissingPage,
    defaultErrorComponent: FailedPage,
    defaultPendingComponent: PendingPage,
    defaultPendingMinMs: 0,
    defaultPreload: "intent",
    scrollRestoration: true,
  });
}
