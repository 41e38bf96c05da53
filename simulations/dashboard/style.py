"""The page's style sheet."""

from walras.simulations.plot_style import PALETTE

__all__ = ["STYLE"]

STYLE = f"""
html {{ overflow: hidden; }}
.w-app {{ display: grid; grid-template: 40px minmax(0, 1fr) / 292px minmax(0, 1fr); height: 100vh;
  background: #f4f6f8; color: #23272e; font-family: Roboto, "Helvetica Neue", Arial, sans-serif; }}
.w-app .v-input, .w-app .v-label, .w-app .v-btn, .w-app .v-select__selection {{ font-size: 13px; }}
.w-bar {{ grid-column: 1 / -1; background: {PALETTE[0]}; color: #ffffff; padding: 0 16px; line-height: 40px;
  font-size: 16px; font-weight: 500; letter-spacing: 0.02em; }}
.w-bar span {{ font-weight: 300; margin-left: 8px; opacity: 0.85; }}
.w-side {{ background: #ffffff; border-right: 1px solid #dde1e6; padding: 20px 16px 14px 16px; overflow-y: auto; }}
.w-side .v-input {{ margin-top: 0; padding-top: 0; }}
.w-choice {{ padding-top: 16px; }}
.w-number {{ padding-top: 10px; }}
.w-label {{ font-size: 12px; line-height: 16px; color: #4a4f57; }}
.w-label span {{ color: #7a818b; }}
.w-fields {{ display: grid; grid-template-columns: minmax(0, 1fr) 72px; column-gap: 8px; align-items: center; }}
.w-fields.w-alone {{ grid-template-columns: 120px; }}
.w-fields .v-input__slot {{ margin-bottom: 0; }}
.w-fields .v-text-field input {{ text-align: right; padding: 2px 0; }}
.w-wrong {{ font-size: 12px; line-height: 15px; color: #b3261e; padding-top: 2px; }}
.w-main {{ display: flex; flex-direction: column; gap: 10px; padding: 12px 16px; overflow-y: auto; min-width: 0; }}
.w-head {{ display: flex; flex-wrap: wrap; justify-content: space-between; gap: 8px 24px; align-items: center; }}
.w-title {{ flex: 1 1 320px; min-width: 0; }}
.w-title h1 {{ font-size: 20px; line-height: 24px; font-weight: 500; }}
.w-title p {{ font-size: 12.5px; line-height: 17px; color: #4a4f57; margin: 2px 0 0 0; max-width: 620px; }}
.w-tools {{ display: flex; align-items: center; gap: 8px; }}
.w-tools .v-input {{ width: 130px; flex: none; margin: 0; padding: 12px 0 0 0; }}
.w-tiles {{ display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 10px; }}
.w-tile {{ background: #ffffff; border: 1px solid #e3e6ea; border-radius: 6px; padding: 6px 12px; min-width: 0; }}
.w-tile div:first-child {{ font-size: 11.5px; color: #5d646e; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }}
.w-tile div:last-child {{ font-size: 18px; line-height: 24px; font-weight: 500; white-space: nowrap;
  font-variant-numeric: tabular-nums; }}
.w-panels {{ --columns: 2; flex: 1 1 auto; display: grid; gap: 10px; min-height: 0; grid-auto-rows: minmax(232px, 1fr);
  grid-template-columns: repeat(auto-fit, minmax(max(270px, calc(100% / var(--columns) - 10px)), 1fr)); }}
.w-three {{ --columns: 3; }}
.w-panel {{ background: #ffffff; border: 1px solid #e3e6ea; border-radius: 6px; padding: 8px 8px 2px 8px;
  display: flex; flex-direction: column; min-width: 0; min-height: 0; }}
.w-panel h2 {{ font-size: 13px; line-height: 18px; font-weight: 500; padding: 0 4px; }}
.w-panel .solara-echarts {{ flex: 1 1 auto; min-height: 0; }}
.w-hint {{ flex: 1 1 auto; display: flex; align-items: center; justify-content: center; color: #7a818b;
  font-size: 15px; }}
@media (max-width: 760px) {{
  html {{ overflow: auto; }}
  .w-app {{ display: block; height: auto; }}
}}
"""
