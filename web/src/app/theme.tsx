// Theme of the component library: colours with enough contrast in both schemes, one type scale, styles under a strict policy.
import { createTheme, type CSSVariablesResolver, MantineProvider } from "@mantine/core";
import type { ReactNode } from "react";

/** The nonce under which the policy of the server allows style elements. */
export function cspNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
}

const theme = createTheme({
  primaryColor: "blue",
  primaryShade: { light: 8, dark: 8 },
  defaultRadius: "sm",
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono", monospace',
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  headings: { fontWeight: "600", sizes: { h1: { fontSize: "20px" }, h2: { fontSize: "16px" }, h3: { fontSize: "14px" } } },
  components: {
    Button: { defaultProps: { size: "xs" } },
    TextInput: { defaultProps: { size: "xs" } },
    PasswordInput: { defaultProps: { size: "sm" } },
    NumberInput: { defaultProps: { size: "xs" } },
    Select: { defaultProps: { size: "xs", comboboxProps: { shadow: "md" } } },
    MultiSelect: { defaultProps: { size: "xs" } },
    TagsInput: { defaultProps: { size: "xs" } },
    Textarea: { defaultProps: { size: "xs" } },
    Checkbox: { defaultProps: { size: "xs" } },
    Badge: { defaultProps: { miw: "max-content" } },
    Switch: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs" } },
    // its element that takes the first focus is no child that a menu may have: the first item takes it instead
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    Modal: { defaultProps: { centered: true, transitionProps: { duration: 0 } } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
  },
});

// the defaults of the library for dimmed text, placeholders and errors have less contrast than 4.5:1
const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#59616a",
    "--mantine-color-placeholder": "#6b7280",
    "--mantine-color-error": "#b42318",
    "--mantine-color-anchor": "#1459a8",
    "--mantine-color-gray-light-color": "#3b434c",
  },
  dark: {
    "--mantine-color-dimmed": "#a4adb8",
    "--mantine-color-placeholder": "#98a2ae",
    "--mantine-color-error": "#ff9b93",
    "--mantine-color-anchor": "#8cc0ff",
    "--mantine-color-gray-light-color": "#d0d6dd",
    "--mantine-color-body": "#15181c",
  },
});

export function ThemeProvider({ children }: { children: ReactNode }) {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" cssVariablesResolver={cssVariables} getStyleNonce={cspNonce}>
      {children}
    </MantineProvider>
  );
}
